"""Check a recipe's classifiers before hours of extraction, and read each `fit_on` once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from stackkit.api.aggregator import FitOn
from stackkit.api.errors import UsageError
from stackkit.api.specs import LearnerSpec
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.recipe import ResolvedRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedAggregator:
    """An aggregator that can be created, with its `fit_on`.

    `fit_on` may depend on an option and is known only once the aggregator exists. Everything that
    follows uses the value recorded here, so the fits of a run cannot disagree about it.
    """

    component: ConfiguredComponent
    fit_on: FitOn


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedClassifiers:
    """All classifiers of a recipe; each of them can be created."""

    learners: tuple[ConfiguredComponent, ...]
    baselines: tuple[ConfiguredComponent, ...]
    aggregators: tuple[CheckedAggregator, ...]


def check_classifiers(components: ResolvedRecipe) -> CheckedClassifiers:
    """Create every classifier once and read the `fit_on` of every aggregator.

    Parameters
    ----------
    components : ResolvedRecipe
        The recipe's components.

    Returns
    -------
    CheckedClassifiers
        The classifiers, in the recipe's order.

    Raises
    ------
    PluginError
        If a classifier cannot be created, an aggregator's `fit_on` is not one of `FitOn`, or a
        component's `process_state` is invalid.
    UsageError
        If an aggregator needs probabilities and a learner does not provide them.

    """
    return checked(components.learners, components.baselines, components.aggregators)


def checked(
    learners: Sequence[ConfiguredComponent],
    baselines: Sequence[ConfiguredComponent],
    aggregators: Sequence[ConfiguredComponent],
) -> CheckedClassifiers:
    """Check classifiers without a recipe; see `check_classifiers`."""
    for component in (*baselines, *learners, *aggregators):
        _ = component.process_state  # may call plugin code
    for component in (*baselines, *learners):
        component.create()
    able = tuple(map(_check_aggregator, aggregators))
    stacking = [aggregator for aggregator in able if aggregator.fit_on != "features"]
    if stacking and (silent := [each for each in learners if not gives_probabilities(each)]):
        name = silent[0].name
        raise UsageError(
            f"aggregator {stacking[0].component.name} needs probabilities, which learner {name} does "
            f"not provide; use --learner logistic, or evaluate {name} on each backbone with "
            f"--baseline {name}"
        )
    return CheckedClassifiers(learners=tuple(learners), baselines=tuple(baselines), aggregators=able)


def gives_probabilities(learner: ConfiguredComponent) -> bool:
    """Return whether a learner says that it has `predict_proba`."""
    return cast(LearnerSpec, learner.component.spec).probabilities


def _check_aggregator(component: ConfiguredComponent) -> CheckedAggregator:
    aggregator = component.create()
    with component.blamed():  # `fit_on` may be a property, so reading it runs plugin code
        fit_on = aggregator.fit_on
        if fit_on not in get_args(FitOn):
            raise ValueError(f"fit_on must be one of {', '.join(get_args(FitOn))}, got {fit_on!r}")
    return CheckedAggregator(component=component, fit_on=fit_on)
