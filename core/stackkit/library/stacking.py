"""Fit a whole stack on all rows of some features."""

from __future__ import annotations

import numpy as np

from stackkit.api.errors import UsageError
from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.model.fitting import final_plan, stack_of
from stackkit.model.stack import Stack


def fit_stack(plan: FitPlan, jobs: int | None) -> Stack:
    """Fit the learners of a plan and its only aggregator on all rows, as an evaluation fits a fold.

    Parameters
    ----------
    plan : FitPlan
        What to fit.
    jobs : int or None
        Number of fits at the same time; None uses all cores. It has no influence on the stack.

    """
    (aggregator,) = plan.classifiers.aggregators
    if aggregator.fit_on == "features" and len(plan.classifiers.learners) > 1:
        raise UsageError(
            f"aggregator {aggregator.component.name} fits one learner on all features, got "
            f"{len(plan.classifiers.learners)} learners; choose one of them"
        )
    plan = final_plan(plan, aggregator)
    rows, outcomes = np.arange(len(plan.labels)), list[FoldOutcome]()
    Comparison(
        fit_plan=plan,
        folds=[Fold(train=rows, test=rows[:0])],
        scheduler=FitScheduler(cache=FitCache(None), reporter=SilentReporter(), jobs=jobs),
        on_fold=outcomes.append,
    ).run_fits()
    return stack_of(plan, outcomes[0], aggregator)
