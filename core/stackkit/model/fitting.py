"""Fit the stack that a model consists of, with the fits of an evaluation wherever they are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import EvaluationError, UsageError
from stackkit.evaluation.aggregator_fit import FeatureFit, ProbabilityFit
from stackkit.evaluation.classifiers import CheckedAggregator, CheckedClassifiers, gives_probabilities
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import Fold, inner_folds
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.out_of_fold import Collector, OutOfFold
from stackkit.evaluation.scores import gives_scores
from stackkit.evaluation.views import Use
from stackkit.model.classifiers import check_savable
from stackkit.model.stack import FittedLearner, Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalFit:
    """A fitted stack, and what it says about training images when they are left out.

    Parameters
    ----------
    stack : Stack
        Fitted on all training rows.
    out_of_fold : OutOfFold
        Of the training rows only: nothing that is derived from it knows a test image.

    """

    stack: Stack
    out_of_fold: OutOfFold


def chosen_aggregator(classifiers: CheckedClassifiers, text: str) -> CheckedAggregator:
    """Return the aggregator of a model, and check that a model can have it.

    Parameters
    ----------
    classifiers : CheckedClassifiers
        Those of the recipe.
    text : str
        `ConfiguredComponent.text` of the aggregator.

    Raises
    ------
    UsageError
        If a model cannot be made with it.

    """
    (found,) = (each for each in classifiers.aggregators if each.component.text == text)
    for each in classifiers.learners:
        if not gives_probabilities(each):
            raise UsageError(
                f"a model needs learners with probabilities, which {each.label} does not give; use "
                "--learner logistic"
            )
    if found.fit_on == "features":
        if len(classifiers.learners) > 1:
            names = ", ".join(each.label for each in classifiers.learners)
            raise UsageError(
                f"aggregator {found.component.label} fits one learner, and there are {names}; choose "
                "one with --learner"
            )
    elif not _says_how_certain(found.component.create()):
        raise UsageError(
            f"aggregator {found.component.label} has neither predict_proba nor decision_function, so a "
            "model with it cannot say how certain it is; choose another --aggregator"
        )
    check_savable(found.component, classifiers.learners, inside=found.fit_on == "features")
    return found


def _says_how_certain(aggregator: object) -> bool:
    # The class, because scikit-learn's estimators may show a method only once they are fitted.
    kind = type(aggregator)
    return gives_scores(aggregator) or gives_scores(kind)


@dataclass(slots=True, kw_only=True)
class StackFitting:
    """Fits a stack beside an evaluation.

    Parameters
    ----------
    chosen : CheckedAggregator
        The aggregator.
    official : bool
        Whether the evaluation is on an official split. The stack is then fitted on its training part
        only, by the evaluation itself, and folds inside that part give out-of-fold scores. Otherwise
        the stack is fitted on all rows. The folds of the evaluation give scores, if they leave each row
        out once; folds of their own do after a hold-out.

    """

    chosen: CheckedAggregator
    official: bool
    _collector: Collector | None = None
    _stacks: list[Stack] = field(default_factory=list)

    def prepared(self, comparison: Comparison) -> Comparison:
        """Return the comparison of the evaluation, which also gives what the model needs."""
        plan = replace(comparison.fit_plan, chosen=self.chosen.component.text, keep=self.official)
        if not _leaves_each_out(comparison):
            folds_inside(plan, self._training_rows(comparison))  # refused now, not after hours of fits
        self._collector = self._collector_of(len(comparison.folds) // comparison.repeats)
        take = self._take_stack(plan) if self.official else self._collector.add
        return replace(comparison, fit_plan=plan, on_fold=_both(comparison.on_fold, take))

    def _training_rows(self, comparison: Comparison) -> NDArray[np.int64]:
        """Return the rows that the stack is fitted on."""
        if self.official:
            return comparison.folds[0].train
        return np.unique(np.concatenate([rows for fold in comparison.folds for rows in fold.both]))

    def finish(self, comparison: Comparison) -> FinalFit:
        """Fit what the prepared comparison, which has been run, did not fit."""
        plan = self._alone(comparison.fit_plan)
        train = self._training_rows(comparison)
        assert self._collector is not None
        if not _leaves_each_out(comparison):
            folds = folds_inside(plan, train)
            self._collector = self._collector_of(len(folds))
            # On features, an aggregator answers without the learners' votes.
            without = _averaged(plan, self.chosen) or self.chosen.fit_on == "features"
            inside = replace(plan, keep=False, learners_too=not without)
            _run(comparison, inside, folds, self._collector.add)
        if not self.official:
            plan = final_plan(plan, self.chosen)
            _run(comparison, plan, [Fold(train=train, test=train[:0])], self._take_stack(plan))
        (stack,) = self._stacks
        return FinalFit(stack=stack, out_of_fold=self._collector.collected(plan.labels))

    def _collector_of(self, n_folds: int) -> Collector:
        return Collector(chosen=self.chosen.component.text, n_folds=n_folds)

    def _alone(self, plan: FitPlan) -> FitPlan:
        """Return a plan without baselines and other aggregators."""
        alone = replace(plan.classifiers, baselines=(), aggregators=(self.chosen,))
        return replace(plan, classifiers=alone)

    def _take_stack(self, plan: FitPlan) -> Callable[[FoldOutcome], None]:
        return lambda outcome: self._stacks.append(stack_of(plan, outcome, self.chosen))


def _leaves_each_out(comparison: Comparison) -> bool:
    """Return whether the folds of each repeat leave every row out once."""
    first = comparison.folds[: len(comparison.folds) // comparison.repeats]
    return sum(len(fold.test) for fold in first) == len(comparison.fit_plan.labels)


def folds_inside(plan: FitPlan, train: NDArray[np.int64]) -> list[Fold]:
    """Divide training rows into folds, whose row numbers are those of the plan."""
    groups = None if plan.groups is None else plan.groups[train]
    try:
        inside = inner_folds(plan.labels[train], plan.inner_cv, seed=plan.seed, groups=groups)
    except EvaluationError as error:
        in_groups = "" if groups is None else f" in {len(np.unique(groups))} group(s)"
        raise EvaluationError(
            f"the training part of {len(train)} images{in_groups} cannot be divided into folds with two "
            "classes each, from which a model learns how certain it is; add training images, or use --cv"
        ) from error
    return [Fold(train=train[fold.train], test=train[fold.test]) for fold in inside]


def final_plan(plan: FitPlan, chosen: CheckedAggregator) -> FitPlan:
    """Return a plan whose results `stack_of` makes a stack of, and that fits nothing else."""
    learners_too = not _averaged(plan, chosen)
    return replace(plan, chosen=chosen.component.text, keep=True, learners_too=learners_too)


def stack_of(plan: FitPlan, outcome: FoldOutcome, chosen: CheckedAggregator) -> Stack:
    """Return the stack that was fitted in a fold of a plan that keeps its classifiers."""
    fits, results = outcome.planned, outcome.by_fit
    learners = []
    for number, (learner, _) in enumerate(plan.base_learners):
        own = fits.inner[number] if _averaged(plan, chosen) else [fits.learners[number]]
        members = tuple(fit.kept.classifier(results[fit]) for fit in own)
        learners.append(
            FittedLearner(
                component=learner,
                backbone=number % len(plan.features),
                members=members,
                uses=tuple(_use(fit, results[fit]) for fit in own),
                states=tuple(results[fit].state for fit in own),
            )
        )
    (above,) = (
        fit
        for fit in results
        if isinstance(fit, FeatureFit | ProbabilityFit)
        and fit.keep
        and fit.aggregator.component.text == chosen.component.text
    )
    assert isinstance(above, FeatureFit | ProbabilityFit)
    return Stack(
        learners=tuple(learners),
        aggregator=chosen.component,
        fitted=above.kept.classifier(results[above]),
        fit_on=chosen.fit_on,
        n_classes=plan.n_classes,
        state=results[above].state,
    )


def _averaged(plan: FitPlan, chosen: CheckedAggregator) -> bool:
    """Whether the learners of inner folds answer together, in place of one fitted on all rows."""
    return chosen.fit_on == "out-of-fold" and not plan.refit


def _use(fit: LearnerFit, result: FitResult) -> Use:
    # A result from the cache says what was chosen; choosing again would take several fits.
    return cast(Use, result.views or fit.views)


def _run(
    comparison: Comparison, plan: FitPlan, folds: list[Fold], on_fold: Callable[[FoldOutcome], None]
) -> None:
    replace(comparison, fit_plan=plan, folds=folds, repeats=1, on_fold=on_fold).run_fits()


def _both(
    first: Callable[[FoldOutcome], None], second: Callable[[FoldOutcome], None]
) -> Callable[[FoldOutcome], None]:
    def both(outcome: FoldOutcome) -> None:
        first(outcome)
        second(outcome)

    return both
