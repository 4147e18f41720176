"""Put the fitted classifiers of a stack into a bundle, and take them out again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

from stackkit.api.aggregator import FitOn
from stackkit.api.errors import BundleError, UsageError
from stackkit.api.state import State
from stackkit.bundle import Bundle, ClassifierRecord
from stackkit.evaluation.kept import Kept
from stackkit.evaluation.views import Use
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.registry import Registry
from stackkit.model.components import component_record, find_component
from stackkit.model.foreign import foreign_restored, foreign_state, require_skops
from stackkit.model.stack import FittedLearner, Stack

AGGREGATOR = "aggregator"
"""Name of the aggregator's state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedClassifiers:
    """The classifiers of a stack as a bundle has them.

    Attributes
    ----------
    learners, aggregator : ClassifierRecord
        What the manifest says.
    states : dict of str to State
        States by name.
    files : dict of str to bytes
        Members that skops wrote, for components without a state.

    """

    learners: tuple[ClassifierRecord, ...]
    aggregator: ClassifierRecord
    states: dict[str, State] = field(default_factory=dict)
    files: dict[str, bytes | Path] = field(default_factory=dict)


def saved_classifiers(stack: Stack) -> SavedClassifiers:
    """Return the classifiers of a stack as a bundle has them.

    Raises
    ------
    UsageError
        If a component has no state that can be saved.
    PluginError
        If a plugin's code fails, or returns what cannot be saved.

    """
    states: dict[str, State] = {}
    files: dict[str, bytes | Path] = {}

    def save(kept: Kept, name: str, fitted: Any, state: State | None) -> str:
        if kept.component.portable:
            _require_portable(kept.learner)
            states[name] = state or kept.state(fitted)
            return name
        member = f"skops/{name}.skops"
        files[member] = foreign_state(fitted, kept.component)
        return member

    learners = []
    for number, each in enumerate(stack.learners):
        kept = Kept(component=each.component, n_classes=stack.n_classes)
        known = each.states or (None,) * len(each.members)
        names = [
            save(kept, f"learner-{number}-{i}", member, state)
            for i, (member, state) in enumerate(zip(each.members, known, strict=True))
        ]
        learners.append(_record(each.component, names, views=each.uses, backbone=each.backbone))
    name = save(_kept_aggregator(stack), AGGREGATOR, stack.fitted, stack.state)
    return SavedClassifiers(
        learners=tuple(learners),
        aggregator=_record(stack.aggregator, [name], fit_on=stack.fit_on),
        states=states,
        files=files,
    )


def _record(component: ConfiguredComponent, names: Sequence[str], **more: Any) -> ClassifierRecord:
    return ClassifierRecord(
        component=component_record(component),
        states=tuple(names),
        format="state" if component.portable else "skops",
        **more,
    )


def _kept_aggregator(stack: Stack) -> Kept:
    on_features = stack.fit_on == "features"
    return Kept(
        component=stack.aggregator,
        n_classes=stack.n_classes,
        learner=stack.learners[0].component if on_features else None,
    )


def check_savable(
    aggregator: ConfiguredComponent, learners: Sequence[ConfiguredComponent], *, inside: bool
) -> None:
    """Raise UsageError if classifiers of these components cannot be saved, before any is fitted.

    `inside` says whether the learners are fitted inside the aggregator.
    """
    for each in learners if inside else ():
        _require_portable(each)
    for each in (aggregator, *learners):
        if not each.portable:
            require_skops(each)


def _require_portable(learner: ConfiguredComponent | None) -> None:
    if learner is not None and not learner.portable:
        raise UsageError(
            f"{learner.name} of {learner.component.distribution} has no state that can be saved inside "
            "an aggregator; use another learner, or ask its author for state= and restore= in its spec"
        )


def loaded_stack(bundle: Bundle, registry: Registry, trust: Collection[str]) -> Stack:
    """Return the stack in a bundle.

    Parameters
    ----------
    bundle : Bundle
        The bundle.
    registry : Registry
        The installed components.
    trust : collection of str
        Names of components without a state whose classifiers the user allows skops to load.

    Raises
    ------
    BundleError
        If parts of the bundle do not fit each other.
    UsageError
        If a component that needs trust is not trusted.
    PluginError
        If a component is not installed, or refuses its options or state.

    """
    manifest = bundle.manifest
    n_classes, fit_on = len(manifest.classes), manifest.aggregator.fit_on
    if fit_on not in get_args(FitOn):
        raise BundleError(f"fit_on must be one of {', '.join(get_args(FitOn))}, got {fit_on!r:.50}")
    learners = []
    for record in manifest.learners:
        component = find_component(record.component, registry)
        kept = Kept(component=component, n_classes=n_classes)
        states, members = _loaded(bundle, record, kept, trust)
        learners.append(
            FittedLearner(
                component=component,
                backbone=record.backbone,
                members=members,
                uses=_uses(record),
                states=states,
            )
        )
    empty = Stack(
        learners=tuple(learners),
        aggregator=find_component(manifest.aggregator.component, registry),
        fitted=None,
        fit_on=fit_on,  # type: ignore[arg-type]
        n_classes=n_classes,
    )
    states, members = _loaded(bundle, manifest.aggregator, _kept_aggregator(empty), trust)
    return replace(empty, fitted=members[0], state=states[0] if states else None)


def _loaded(
    bundle: Bundle, record: ClassifierRecord, kept: Kept, trust: Collection[str]
) -> tuple[tuple[State, ...], tuple[Any, ...]]:
    """Return the states of a record, none if skops wrote them, and the fitted classifiers."""
    component = kept.component
    if record.format == "state":
        states = tuple(bundle.state(name) for name in record.states)
        return states, tuple(map(kept.restored, states))
    if component.component.is_own:  # no release of stackkit writes this
        raise BundleError(f"{component.name} of stackkit itself must have a state, got one of skops")
    return (), tuple(
        foreign_restored(bundle.file(name), component, trust=trust, n_classes=kept.n_classes)
        for name in record.states
    )


def _uses(record: ClassifierRecord) -> tuple[Use, ...]:
    if len(record.views) != len(record.states) or not set(record.views) <= set(get_args(Use)):
        raise BundleError(f"views of {record.component.name} must be one use of views for each state")
    return cast(tuple[Use, ...], record.views)
