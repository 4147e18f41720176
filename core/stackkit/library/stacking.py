"""Fit a whole stack on all rows of some features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import UsageError
from stackkit.api.groups import group_argument
from stackkit.evaluation.conditions import one_blas_thread, one_openmp_thread, seeded
from stackkit.evaluation.convergence import convergence_warnings_captured
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import errors_name, training_groups
from stackkit.evaluation.fit_digest import digest_of, identity
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import Fold, inner_folds, rows_of_unknown_classes
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.probabilities import Probabilities, out_of_fold, without_information
from stackkit.evaluation.views import probabilities_of
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.model.stack import FittedLearner, Stack


def fit_stack(plan: FitPlan) -> Stack:
    """Fit the learners of a plan and its only aggregator on all rows."""
    (aggregator,) = plan.classifiers.aggregators
    if aggregator.fit_on == "features" and len(plan.classifiers.learners) > 1:
        raise UsageError(
            f"aggregator {aggregator.component.name} fits one learner on all features, got "
            f"{len(plan.classifiers.learners)} learners; choose one of them"
        )
    with one_blas_thread(), one_openmp_thread(), convergence_warnings_captured():
        inside: Sequence[Fold] = ()
        if aggregator.fit_on == "out-of-fold":
            inside = inner_folds(plan.labels, plan.inner_cv, seed=plan.seed, groups=plan.groups)
        bases = [
            _Base(plan, learner, backbone, inside)
            for learner in plan.classifiers.learners
            for backbone in range(len(plan.features))
        ]
        fitted, state = aggregator.component.create(), aggregator.component.process_state
        digest = digest_of(["stack", identity(aggregator.component)], plan.labels)
        groups = group_argument(fitted.fit, *training_groups(plan.groups))
        with errors_name(aggregator.component), seeded(state, digest):
            if aggregator.fit_on == "features":
                everything = np.arange(len(plan.labels))
                known = [features.take_average(everything) for features in plan.features]
                learner = plan.classifiers.learners[0]
                fitted.fit(known, plan.labels, learner.create(), **groups)
            else:
                fitted.fit(np.stack([base.known() for base in bases]), plan.labels, **groups)
    return Stack(
        learners=tuple(base.fitted() for base in bases),
        aggregator=aggregator.component,
        fitted=fitted,
        fit_on=aggregator.fit_on,
        n_classes=plan.n_classes,
    )


class _Base:
    """A learner on one backbone: fitted on all rows, and on all but those of each inner fold."""

    def __init__(
        self, plan: FitPlan, learner: ConfiguredComponent, backbone: int, inside: Sequence[Fold]
    ) -> None:
        self._plan, self._learner, self._backbone, self._inside = plan, learner, backbone, inside
        self._rows = np.arange(len(plan.labels))
        self._features: Features = plan.features[backbone]
        self._parts = [self._fit(fold.train) for fold in inside]
        averaged = bool(inside) and not plan.refit
        self._whole = [] if averaged else [self._fit(self._rows)]

    def known(self) -> Probabilities:
        """Return the probabilities of all rows that the aggregator is fitted on."""
        if not self._inside:
            return self._probabilities(self._whole[0], self._rows)
        parts = [
            self._probabilities(one, fold.test)
            for one, fold in zip(self._parts, self._inside, strict=True)
        ]
        labels = self._plan.labels
        alone = rows_of_unknown_classes(labels, self._inside)
        return without_information(out_of_fold(parts, self._inside), alone, labels)

    def fitted(self) -> FittedLearner:
        """Return what predicts new rows."""
        members = tuple(self._whole or self._parts)
        return FittedLearner(component=self._learner, backbone=self._backbone, members=members)

    def _fit(self, train: NDArray[np.int64]) -> Any:
        fit = LearnerFit(
            learner=self._learner,
            features=self._features,
            labels=self._plan.labels,
            n_classes=self._plan.n_classes,
            train=train,
            test=train[:0],
            groups=self._plan.groups,
        )
        with errors_name(self._learner), seeded(fit.process_state, fit.digest):
            return fit.fitted()

    def _probabilities(self, fitted: Any, rows: NDArray[np.int64]) -> Probabilities:
        with errors_name(self._learner):
            return probabilities_of(fitted, self._features, rows, self._plan.n_classes, "whole")
