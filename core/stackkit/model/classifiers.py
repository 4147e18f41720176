"""The fitted classifiers of a stack in a bundle: as states, or with skops for users who trust a file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
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
class SavedStack:
    """What a bundle has of a stack.

    Attributes
    ----------
    learners, aggregator : ClassifierRecord
        Entries of the manifest.
    states : dict of str to State
        By name.
    files : dict of str to bytes
        Members with classifiers that have no state.

    """

    learners: list[ClassifierRecord]
    aggregator: ClassifierRecord
    states: dict[str, State]
    files: dict[str, bytes]


def saved_stack(stack: Stack) -> SavedStack:
    """Return what to write of a stack; raises UsageError for a classifier that cannot be saved."""
    states, files = dict[str, State](), dict[str, bytes]()

    def saved(kept: Kept, name: str, fitted: Any, state: State | None) -> str:
        if kept.portable:
            states[name] = state or kept.state(fitted)
            return name
        if kept.component.portable:  # an aggregator of ours around a learner without a state
            assert kept.learner is not None
            raise _not_inside(kept.learner, kept.component)
        member = f"skops/{name}.skops"
        files[member] = foreign_state(fitted, kept.component)
        return member

    learners = []
    for number, each in enumerate(stack.learners):
        kept = Kept(component=each.component, n_classes=stack.n_classes)
        known = each.states or (None,) * len(each.members)
        names = [
            saved(kept, f"learner-{number}-{i}", member, state)
            for i, (member, state) in enumerate(zip(each.members, known, strict=True))
        ]
        learners.append(
            ClassifierRecord(
                component=component_record(each.component),
                states=tuple(names),
                format="state" if kept.portable else "skops",
                views=each.uses,
                backbone=each.backbone,
            )
        )
    kept = _kept_aggregator(stack)
    aggregator = ClassifierRecord(
        component=component_record(stack.aggregator),
        states=(saved(kept, AGGREGATOR, stack.fitted, stack.state),),
        format="state" if kept.portable else "skops",
        fit_on=stack.fit_on,
    )
    return SavedStack(learners=learners, aggregator=aggregator, states=states, files=files)


def check_savable(
    aggregator: ConfiguredComponent, learners: Sequence[ConfiguredComponent], *, inside: bool
) -> None:
    """Raise UsageError if classifiers of these components cannot be saved, before any is fitted.

    `inside` says whether the learners are fitted inside the aggregator.
    """
    for each in (aggregator, *learners):
        if not each.portable:
            if inside and each is not aggregator:
                raise _not_inside(each, aggregator)
            require_skops(each)


def _not_inside(learner: ConfiguredComponent, aggregator: ConfiguredComponent) -> UsageError:
    return UsageError(
        f"{learner.name} of {learner.component.distribution} has no state that can be saved inside "
        f"{aggregator.name}; choose another --aggregator or --learner"
    )


def loaded_stack(bundle: Bundle, registry: Registry, trust: Collection[str]) -> Stack:
    """Return the stack of a bundle, whose components are those of the registry."""
    manifest = bundle.manifest
    n_classes, fit_on = len(manifest.classes), manifest.aggregator.fit_on
    if fit_on not in get_args(FitOn):
        raise BundleError(f"fit_on must be one of {', '.join(get_args(FitOn))}, got {fit_on!r:.50}")
    learners = []
    for record in manifest.learners:
        component = find_component(record.component, registry)
        kept = Kept(component=component, n_classes=n_classes)
        found = [_loaded(kept, record, name, bundle, trust) for name in record.states]
        learners.append(
            FittedLearner(
                component=component,
                backbone=record.backbone,
                members=tuple(fitted for fitted, _ in found),
                uses=_uses(record),
                states=tuple(state for _, state in found),
            )
        )
    stack = Stack(
        learners=tuple(learners),
        aggregator=find_component(manifest.aggregator.component, registry),
        fitted=None,
        fit_on=cast(FitOn, fit_on),
        n_classes=n_classes,
    )
    name = manifest.aggregator.states[0]
    fitted, state = _loaded(_kept_aggregator(stack), manifest.aggregator, name, bundle, trust)
    return replace(stack, fitted=fitted, state=state)


def _loaded(
    kept: Kept, record: ClassifierRecord, name: str, bundle: Bundle, trust: Collection[str]
) -> tuple[Any, State | None]:
    if record.format == "state":
        state = bundle.state(name)
        return kept.restored(state), state
    if kept.component.component.is_own:  # no release of stackkit writes this
        raise BundleError(
            f"{kept.component.name} of stackkit itself must have a state, got one of skops"
        )
    data = bundle.file(name)
    return foreign_restored(data, kept.component, trust=trust, n_classes=kept.n_classes), None


def _kept_aggregator(stack: Stack) -> Kept:
    on_features = stack.fit_on == "features"
    return Kept(
        component=stack.aggregator,
        n_classes=stack.n_classes,
        learner=stack.learners[0].component if on_features else None,
    )


def _uses(record: ClassifierRecord) -> tuple[Use, ...]:
    if len(record.views) != len(record.states) or not set(record.views) <= set(get_args(Use)):
        raise BundleError(f"views of {record.component.name} must be one use of views for each state")
    return cast(tuple[Use, ...], record.views)
