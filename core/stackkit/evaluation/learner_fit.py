"""Fit a learner on the features of one backbone and predict other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.classifiers import gives_probabilities
from stackkit.evaluation.convergence import watch_convergence
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import FitResult, errors_name, training_groups
from stackkit.evaluation.fit_digest import digest_of, identity
from stackkit.evaluation.groups import Groups
from stackkit.evaluation.kept import Kept
from stackkit.evaluation.large_folds import predicted_together
from stackkit.evaluation.probabilities import Probabilities, checked_labels, class_probabilities
from stackkit.evaluation.stored_rows import fit_on
from stackkit.evaluation.view_choice import chosen_use
from stackkit.evaluation.views import (
    DeclaredUse,
    Use,
    labels_by_vote,
    one_row_each,
    probabilities_of,
    use_of_views,
)
from stackkit.host.configured_component import ConfiguredComponent


# `eq=False`: fits are keys of dictionaries by identity, and comparing arrays with `==` does not give a
# single truth value.
@dataclass(frozen=True, kw_only=True, eq=False)
class LearnerFit:
    """A learner on the features of one backbone.

    Parameters
    ----------
    learner : ConfiguredComponent
        The learner.
    features : Features
        Features of one backbone; of several views, the learner's option `views` says what they are for.
    labels : ndarray of shape (n_samples,), int64
        Labels of all rows.
    n_classes : int
        Number of classes of the dataset.
    train, test : ndarray of int64
        Rows to fit on and rows to predict; there may be none to predict.
    probabilities, in_sample : bool
        Whether to compute probabilities of the test rows, and of the training rows.
    groups : ndarray of shape (n_samples,), int64, or None
        Groups of all rows, for learners that divide their training rows; None if no rows share one.
    keep : bool
        Whether the result keeps the fitted learner.

    """

    learner: ConfiguredComponent
    features: Features
    labels: NDArray[np.int64]
    n_classes: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    probabilities: bool = False
    in_sample: bool = False
    groups: Groups | None = None
    keep: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of the learner, the features, the training labels and the rows."""
        return digest_of(
            ["learner", identity(self.learner), self.features.digest, self.n_classes],
            [self.probabilities, self.in_sample],
            self.train,
            self.labels[self.train],
            self.test,
            *training_groups(self.groups, self.train),
            # Without several views the digest is that of earlier versions, so cached fits stay valid.
            *([["views", self.views]] if self.views != "whole" else []),
            *([["keep"]] if self.keep else []),
        )

    @property
    def process_state(self) -> frozenset[str] | None:
        """What the learner declares."""
        return self.learner.process_state

    @property
    def title(self) -> str:
        """The learner and the backbone."""
        return f"learner {self.learner.label} on {self.features.label}"

    @property
    def own_rows(self) -> Sequence[NDArray[np.int64]]:
        """The rows to fit on and those to predict."""
        return self.train, self.test

    @property
    def kept(self) -> Kept:
        """How the fitted learner is kept."""
        return Kept(component=self.learner, n_classes=self.n_classes)

    @property
    def stays_here(self) -> bool:
        """Whether a learner without a state is kept."""
        return self.keep and not self.kept.portable

    @property
    def views(self) -> DeclaredUse:
        """What the learner's option says that the views of an image are for."""
        return use_of_views(self.learner, self.features)

    @cached_property
    def used_views(self) -> Use:
        """What the views of an image are for; "auto" is settled within the training rows."""
        if self.views != "auto":
            return self.views
        return chosen_use(
            self.learner.create,
            self.features,
            self.train,
            self.labels[self.train],
            None if self.groups is None else self.groups[self.train],
            self.n_classes,
            probabilities=gives_probabilities(self.learner),
        )

    def run(self) -> FitResult:
        """Fit the learner and predict the test rows."""
        with errors_name(self.learner):
            learner = self.learner.create()
            with watch_convergence() as watch:
                _ = self.used_views
                self._fit(learner)
            in_sample = self._probabilities(learner, self.train) if self.in_sample else None
            labels, probabilities = self._predict(learner)
            return FitResult(
                labels=labels,
                converged=not watch.stopped_early,
                probabilities=probabilities if self.probabilities else None,
                in_sample=in_sample,
                **(self.kept.of(learner) if self.keep else {}),
                views=self.used_views if self.views == "auto" else "",
            )

    def _fit(self, learner: Any) -> None:
        # Training rows are freed when this returns, before others are read: half the peak memory.
        groups = None if self.groups is None else self.groups[self.train]
        fit_on(learner, self.features, self.train, self.labels[self.train], groups, self.used_views)

    def _predict(self, learner: Any) -> tuple[NDArray[np.int64], Probabilities | None]:
        """Return labels of the test rows, and probabilities if they were requested or decide."""
        if not len(self.test):
            return np.empty(0, dtype=np.int64), np.empty((0, self.n_classes))
        if self.used_views in ("whole", "average"):
            parts = predicted_together(learner, self.features, self.test)
            return _joined([self._predict_rows(learner, part) for part in parts])
        if gives_probabilities(self.learner):
            mean = self._probabilities(learner, self.test)
            return mean.argmax(axis=1), mean
        return labels_by_vote(learner, self.features, self.test, self.n_classes), None

    def _predict_rows(
        self, learner: Any, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Probabilities | None]:
        new = one_row_each(self.features, rows, self.used_views)
        labels = checked_labels(learner.predict(new), len(new), self.n_classes)
        if not self.probabilities:
            return labels, None
        return labels, class_probabilities(learner, new, self.n_classes)

    def _probabilities(self, learner: Any, rows: NDArray[np.int64]) -> Probabilities:
        return probabilities_of(learner, self.features, rows, self.n_classes, self.used_views)


def _joined(
    parts: list[tuple[NDArray[np.int64], Probabilities | None]],
) -> tuple[NDArray[np.int64], Probabilities | None]:
    """Put predictions of portions together; those of a single one stay the arrays that they are."""
    if len(parts) == 1:
        return parts[0]
    labels, probabilities = zip(*parts, strict=True)
    if probabilities[0] is None:
        return np.concatenate(labels), None
    return np.concatenate(labels), np.concatenate(probabilities)
