"""Fit a stack on further images without those that it was fitted on, as far as that is exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import BundleError, PluginError, UsageError
from stackkit.api.state import State
from stackkit.evaluation.features import Features
from stackkit.evaluation.kept import Kept
from stackkit.evaluation.views import training_rows
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.state_update import updated_state
from stackkit.model.stack import FittedLearner, Stack

HOW = "train a model that can be, with --learner ridge:updatable=true --aggregator soft-vote"

OPTION = "updatable"
"""Option of learners that keep in their state what an update takes; see `UpdatableLearner`."""


def check_updatable(stack: Stack, widths: Sequence[int]) -> None:
    """Check that a stack can be updated, before anything is computed.

    Parameters
    ----------
    stack : Stack
        The stack.
    widths : sequence of int
        Number of features of each backbone.

    Raises
    ------
    UsageError
        If it cannot; the text says what to do.
    BundleError
        If its statistics are damaged.

    """
    if getattr(stack.aggregator.component.spec, "learns", True):
        raise UsageError(
            f"a model with the aggregator {stack.aggregator.label} cannot be updated, because it learns "
            f"from all training images; {HOW} (or geometric-vote, majority-vote)"
        )
    for each in stack.learners:
        if not getattr(each.component.component.spec, "update", ""):
            raise UsageError(f"a model with the learner {each.component.label} cannot be updated; {HOW}")
        if not each.component.options.get(OPTION, True):
            raise UsageError(
                f"the learner {each.component.label} of the model has kept no statistics, so the model "
                f"cannot be updated; {HOW}"
            )
        no_rows = np.empty((0, widths[each.backbone]), np.float32)
        with _damage_refused():
            state = learner_state(each, stack.n_classes)
            updated_state(each.component, state, no_rows, np.empty(0, np.int64))


def is_updatable(stack: Stack, widths: Sequence[int]) -> bool:
    """Return whether `check_updatable` accepts a stack."""
    try:
        check_updatable(stack, widths)
    except UsageError:
        return False
    return True


def updated_stack(
    stack: Stack, features: Sequence[Features], labels: NDArray[np.int64], n_classes: int
) -> Stack:
    """Return a stack that is fitted on further images.

    Parameters
    ----------
    stack : Stack
        One that `check_updatable` accepts.
    features : sequence of Features
        Those of n further images, one entry per backbone.
    labels : ndarray of shape (n,), int64
        Their labels; those that the stack does not know are new classes.
    n_classes : int
        Number of classes, old and new.

    Returns
    -------
    Stack
        Equal to one that is fitted on old and new images together, as far as its learners are.

    """
    learners = tuple(
        _updated(each, features[each.backbone], labels, n_classes) for each in stack.learners
    )
    known = np.unique(np.concatenate([each.members[0].classes_ for each in learners]))
    fitted = _voting(stack.aggregator, len(learners), known, n_classes)
    return replace(
        stack,
        learners=learners,
        fitted=fitted,
        n_classes=n_classes,
        state=stack.aggregator.state_of(fitted),
    )


def _updated(
    learner: FittedLearner, features: Features, labels: NDArray[np.int64], n_classes: int
) -> FittedLearner:
    rows = training_rows(features, np.arange(len(labels)), labels, None, learner.uses[0])
    with _damage_refused():
        state = learner_state(learner, n_classes)
        state = updated_state(learner.component, state, rows.features, rows.labels)
        fitted = Kept(component=learner.component, n_classes=n_classes).restored(state)
    return replace(learner, members=(fitted,), states=(state,))


@contextmanager
def _damage_refused() -> Iterator[None]:
    try:
        yield
    except PluginError as error:  # of a learner that accepts the states that it makes itself
        raise BundleError(
            f"the model cannot be updated, because it is damaged ({error}); copy or download it again"
        ) from error


def learner_state(learner: FittedLearner, n_classes: int) -> State:
    """Return the state of a learner that is fitted on all training rows."""
    (member,) = learner.members  # several are those of inner folds, for an aggregator that learns
    known = learner.states[0] if learner.states else None
    return known or Kept(component=learner.component, n_classes=n_classes).state(member)


def _voting(
    aggregator: ConfiguredComponent, n_learners: int, known: NDArray[np.int64], n_classes: int
) -> object:
    """Return an aggregator that learns nothing but the labels that there are."""
    each = np.eye(n_classes)[known]  # learners that are sure of each class
    fitted = aggregator.create()
    with aggregator.blamed():
        fitted.fit(np.stack([each] * n_learners), known)
    return fitted
