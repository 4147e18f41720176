"""What a fit is: a classifier, the rows to fit it on and the rows to predict; and what it results in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import PluginError
from stackkit.api.state import State
from stackkit.evaluation.groups import Groups, numbered
from stackkit.evaluation.probabilities import Probabilities, disagreements
from stackkit.host.configured_component import ConfiguredComponent


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What a fitted classifier predicts.

    Parameters
    ----------
    labels : ndarray of shape (n_test,), int64
        Predicted labels of the test rows.
    converged : bool
        Whether the fit converged.
    probabilities : ndarray of shape (n_test, n_classes) or None
        Probabilities of the test rows; None if not requested.
    in_sample : ndarray of shape (n_train, n_classes) or None
        Probabilities of the training rows; None if not requested.
    disagreements : int
        Number of test rows whose predicted label is not their most probable one, once it was counted.
    scores : ndarray of shape (n_test, n_classes), float64, or None
        An aggregator's scores of the test rows, see `evaluation.scores`; None if it gives none.
    probabilistic : bool
        Whether `scores` are logarithms of probabilities; decision values are not.
    seconds : float or None
        Time that fitting and predicting took; None if it was not measured. No figure depends on it.
    state : State or None
        State of the fitted classifier, if it was requested and the component is portable.
    fitted : object or None
        The fitted classifier, if it was requested and this process has fitted it; see
        `Kept.classifier`.
    views : str
        What the views of an image are for, if the fit has chosen; else "".

    """

    labels: NDArray[np.int64]
    converged: bool
    probabilities: Probabilities | None = None
    in_sample: Probabilities | None = None
    disagreements: int = 0
    scores: NDArray[np.float64] | None = None
    probabilistic: bool = False
    seconds: float | None = None
    state: State | None = None
    fitted: Any = None
    views: str = ""

    def without_probabilities(self) -> FitResult:
        """Return the result with `disagreements` counted and without what takes much memory."""
        count = 0 if self.probabilities is None else disagreements(self.labels, self.probabilities)
        return FitResult(
            labels=self.labels, converged=self.converged, disagreements=count, views=self.views
        )


class Fit(Protocol):
    """A classifier, the rows to fit it on and the rows to predict."""

    @property
    def digest(self) -> str:
        """Digest of everything that the result depends on: equal digests mean equal results."""

    @property
    def process_state(self) -> frozenset[str] | None:
        """Process-wide state that it uses; None: any, so nothing else may run meanwhile."""

    @property
    def title(self) -> str:
        """What is fitted, such as "learner logistic on resnet50", for errors."""

    @property
    def own_rows(self) -> Sequence[NDArray[np.int64]]:
        """Arrays that no other fit has; workers get all other ones once, and these with the fit."""

    @property
    def stays_here(self) -> bool:
        """Whether the result has an object that cannot leave the process that made it."""

    def run(self) -> FitResult:
        """Fit and predict; raises PluginError that names the component if this fails."""


def training_groups(
    groups: Groups | None, train: NDArray[np.int64] | slice = slice(None)
) -> list[Groups]:
    """Return the groups of the training rows in a list, which is empty without groups."""
    # Renumbered, so that a result does not depend on groups of rows that the fit does not see.
    return [] if groups is None else [numbered(groups[train])]


@contextmanager
def errors_name(component: ConfiguredComponent) -> Iterator[None]:
    """Name the component in errors, also in those about what it returned."""
    with component.blamed():
        try:
            yield
        except PluginError as error:
            name = component.component.qualified_name
            if name in str(error):
                raise
            raise PluginError(f"{name} (from {component.component.distribution}): {error}") from error
