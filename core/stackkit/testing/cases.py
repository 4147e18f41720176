"""Every promise of every component of a plugin, as cases that can be named and judged one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api.errors import UsageError
from stackkit.api.specs import Kind, OptionValue
from stackkit.host.option_syntax import parse
from stackkit.testing.check_run import Trial
from stackkit.testing.checks import component, plugin
from stackkit.testing.discovery import find
from stackkit.testing.subject import PluginSubject, Subject

if TYPE_CHECKING:
    from stackkit.host.component import Component
    from stackkit.testing.check import Check, Verdict
    from stackkit.testing.target import Target


@dataclass(frozen=True, kw_only=True)
class Case:
    """One promise of a plugin or of one of its components."""

    trial: Trial[PluginSubject] | Trial[Subject]
    promise: Check

    @property
    def subject(self) -> PluginSubject | Subject:
        """Whose promise it is."""
        return self.trial.subject

    def judge(self, limit_s: float | None = None) -> Verdict:
        """Whether it is kept; each promise that it builds on may take `limit_s`, too."""
        return self.trial.verdict(self.promise, limit_s)

    @property
    def id(self) -> str:
        """Text such as "backbone:my-net:row-independence"."""
        subject = self.subject
        kind = subject.component.kind if isinstance(subject, Subject) else "plugin"
        return f"{kind}:{subject.name}:{self.promise.name}"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How an author wants components to be tried: with which options and images, and which of them."""

    options: Mapping[str, Mapping[str, OptionValue]] = field(default_factory=dict)
    images: Sequence[str | Path] = ()
    components: Sequence[str] = ()

    def wants(self, name: str) -> bool:
        """Whether a component is to be tried; all are if none is named."""
        return not self.components or name in self.components


def wish(name: str, texts: Sequence[str], images: Sequence[str | Path]) -> Wish:
    """A wish in words: components of the plugin `name` such as "my-net:weights=random"."""
    given = dict(pair for text in texts for pair in parse(text))
    options: dict[str, dict[str, OptionValue]] = {}
    for target in find(name):
        for each in PluginSubject(target=target).host.components:
            declared = {option.name: option for option in each.spec.options}
            for key, text in given.get(each.spec.name, {}).items():
                value = declared[key].parse(text) if key in declared else text  # refused by `cases`
                options.setdefault(each.spec.name, {})[key] = value
    return Wish(options=options, images=images, components=tuple(given))


def cases(name: str, wish: Wish) -> list[Case]:
    """All cases of the plugins that `name` means; raises UsageError if there is nothing of a name."""
    plugins = [PluginSubject(target=target) for target in find(name)]
    _check(wish, [each for plugin in plugins for each in plugin.host.components])
    return [case for plugin in plugins for case in _cases_of(plugin, wish)]


def suite(kind: Kind) -> tuple[type[Subject], tuple[Check, ...]]:
    """What a kind of component is tried as, and its own promises."""
    # Imported here: NumPy and scikit-learn are needed by those kinds that are there, and by no listing.
    if kind == "dataset":
        from stackkit.testing.checks import dataset
        from stackkit.testing.fixtures.dataset import DatasetSubject

        return DatasetSubject, dataset.PROMISES
    if kind == "backbone":
        from stackkit.testing.checks import backbone
        from stackkit.testing.fixtures.backbone import BackboneSubject

        return BackboneSubject, backbone.PROMISES
    if kind == "learner":
        from stackkit.testing.checks import learner
        from stackkit.testing.fixtures.learner import LearnerSubject

        return LearnerSubject, learner.PROMISES
    from stackkit.testing.checks import aggregator
    from stackkit.testing.fixtures.aggregator import AggregatorSubject

    return AggregatorSubject, aggregator.PROMISES


def _cases_of(tried: PluginSubject, wish: Wish) -> Iterator[Case]:
    trial = Trial(tried, plugin.PROMISES)
    for promise in plugin.PROMISES:
        yield Case(trial=trial, promise=promise)
    for each in tried.host.components:
        if wish.wants(each.spec.name):
            yield from _cases_of_component(tried.target, each, wish)


def _cases_of_component(target: Target, each: Component, wish: Wish) -> Iterator[Case]:
    make, promises = suite(each.kind)
    subject = make(
        target=target,
        component=each,
        given=wish.options.get(each.spec.name, {}),
        images=tuple(Path(image) for image in wish.images),
    )
    trial = Trial[Subject](subject, (*component.PROMISES, *promises))
    for promise in trial.promises.values():
        yield Case(trial=trial, promise=promise)


def _check(wish: Wish, offered: Sequence[Component]) -> None:
    """Refuse names that mean nothing here: nothing would be checked, and all would look well."""
    declared = {each.spec.name: {option.name for option in each.spec.options} for each in offered}
    if not declared:
        return  # the plugin does not load: that is the verdict
    for name in (*wish.components, *wish.options):
        if name not in declared:
            raise UsageError(f"no component is called {name!r}; there is {', '.join(sorted(declared))}")
    for name, options in wish.options.items():
        for option in options.keys() - declared[name]:
            raise UsageError(
                f"{name} has no option {option!r}; it has {', '.join(sorted(declared[name]))}"
            )


def not_tried(judged: Iterable[tuple[Case, Verdict]]) -> dict[str, str]:
    """{"backbone:my-net": why} of the components of which there was no object to try."""
    return {
        case.id.rpartition(":")[0]: verdict.found
        for case, verdict in judged
        if case.promise is component.CREATION and verdict.word == "skipped"
    }


def matching(key: str) -> Callable[[Case], bool]:
    """Whether a case is meant by a whole id, "component:promise" or a promise's name."""
    return lambda case: case.id == key or case.id.endswith(f":{key}")
