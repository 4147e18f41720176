"""The cases of a plugin, for pytest and the command: each check of the plugin and of its components."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api.errors import UsageError
from stackkit.api.option import OptionValue
from stackkit.host.option_syntax import parse
from stackkit.testing.check import LIMIT_S, CheckFailedError, CheckRun
from stackkit.testing.checks import plugin as plugin_checks
from stackkit.testing.discovery import find
from stackkit.testing.under_test import ComponentUnderTest, PluginUnderTest

if TYPE_CHECKING:
    from stackkit.host.component import Component
    from stackkit.testing.check import Check, Verdict


@dataclass(frozen=True, kw_only=True)
class Case:
    """One check of a plugin or of one of its components; `subject` is such as "backbone:my-net"."""

    subject: str
    check: Check
    checks: CheckRun[PluginUnderTest] | CheckRun[ComponentUnderTest]

    @property
    def id(self) -> str:
        """Text such as "backbone:my-net:row-independence"."""
        return f"{self.subject}:{self.check.name}"

    @property
    def of_plugin(self) -> bool:
        """Whether it checks the plugin and not a component."""
        return isinstance(self.checks.under_test, PluginUnderTest)

    @property
    def needs_options_that_work(self) -> bool:
        """Whether it checks that a component can be made with options that its author gave."""
        return self.check is plugin_checks.CREATION and bool(
            getattr(self.checks.under_test, "given", {})
        )

    def verdict(self, limit_s: float | None = None) -> Verdict:
        """Return whether the check passes; each check that it builds on may take `limit_s` as well."""
        return self.checks.verdict(self.check, limit_s)

    def is_named(self, key: str) -> bool:
        """Return whether `key` is the id, "component:check" or the check's name."""
        return f":{self.id}".endswith(f":{key}")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which components to check, all if none is named, and with which options and images."""

    options: Mapping[str, Mapping[str, OptionValue]] = field(default_factory=dict)
    images: Sequence[str | Path] = ()
    components: Sequence[str] = ()


def selection(name: str, texts: Sequence[str], images: Sequence[str | Path]) -> Selection:
    """Parse components of the plugin `name`, such as "my-net:weights=random"."""
    given = dict(pair for text in texts for pair in parse(text))
    options: dict[str, dict[str, OptionValue]] = {}
    for target in find(name):
        for each in PluginUnderTest(target=target).host.components:
            declared = {option.name: option for option in each.spec.options}
            for key, text in given.get(each.spec.name, {}).items():
                value = declared[key].parse(text) if key in declared else text  # `cases` refuses it
                options.setdefault(each.spec.name, {})[key] = value
    return Selection(options=options, images=images, components=tuple(given))


def cases(name: str, selected: Selection) -> list[Case]:
    """Return all cases of the plugins called `name`; raises UsageError if any given name is unknown."""
    plugins = [PluginUnderTest(target=target) for target in find(name)]
    _check_names(selected, [each for plugin in plugins for each in plugin.host.components])
    return [case for plugin in plugins for case in _cases(plugin, selected)]


def _check_names(selected: Selection, offered: Sequence[Component]) -> None:
    # A misspelt name would check nothing, and everything would seem to pass.
    declared = {each.spec.name: {option.name for option in each.spec.options} for each in offered}
    if not declared:
        return  # the plugin does not load, which the check `loads` reports
    for name in (*selected.components, *selected.options):
        if name not in declared:
            raise UsageError(
                f"unknown component {name!r}; expected one of {', '.join(sorted(declared))}"
            )
    for name, options in selected.options.items():
        for option in options.keys() - declared[name]:
            known = ", ".join(sorted(declared[name])) or "none"
            raise UsageError(f"{name} has no option {option!r}; its options: {known}")


def _cases(plugin: PluginUnderTest, selected: Selection) -> Iterator[Case]:
    of_plugin = CheckRun(plugin, plugin_checks.CHECKS)
    for check in plugin_checks.CHECKS:
        yield Case(subject=f"plugin:{plugin.target.name}", check=check, checks=of_plugin)
    for each in plugin.host.components:
        if selected.components and each.spec.name not in selected.components:
            continue
        # Imported only if the plugin has this kind, as these modules import NumPy and scikit-learn.
        of_kind = import_module(f"stackkit.testing.checks.{each.kind}")
        component = getattr(of_kind, f"{each.kind.title()}UnderTest")(
            target=plugin.target,
            component=each,
            given=selected.options.get(each.spec.name, {}),
            images=tuple(Path(image) for image in selected.images),
        )
        of_component = CheckRun[ComponentUnderTest](
            component, (*plugin_checks.COMPONENT_CHECKS, *of_kind.CHECKS)
        )
        for check in of_component.checks.values():
            yield Case(subject=f"{each.kind}:{each.spec.name}", check=check, checks=of_component)


def not_tested(results: Iterable[tuple[Case, Verdict]]) -> dict[str, str]:
    """Return {"backbone:my-net": reason} of the components that could not be made."""
    return {
        case.subject: verdict.found
        for case, verdict in results
        if case.check is plugin_checks.CREATION and verdict.status == "skipped"
    }


def conformance(
    name: str,
    *,
    known: Mapping[str, str] | None = None,
    options: Mapping[str, Mapping[str, OptionValue]] | None = None,
    images: Sequence[str | Path] = (),
    components: Sequence[str] = (),
    time_limit: float | None = LIMIT_S,
) -> Callable[..., None]:
    """Return a pytest test with one case for each check of a plugin and of its components.

    Parameters
    ----------
    name : str
        Name of the plugin, its module or its distribution, or the path of a single file.
    known : mapping of str to str, optional
        Checks that fail, and why: ``{"my-net:row-independence": "reason"}``. A key is a case id,
        "component:check" or the name of a check. These cases must fail, or pytest reports an error.
    options : mapping of str to mapping, optional
        Options that components are made with: ``{"my-net": {"weights": "random"}}``. A component
        that cannot be made with them fails; without options it is skipped.
    images : sequence of paths, default=()
        Image files to test backbones with, in addition to synthetic images.
    components : sequence of str, default=()
        Names of the components to check. Empty: all.
    time_limit : float or None, default=120.0
        Seconds that one check may take. None: no limit, and checks run in pytest's own thread.

    Returns
    -------
    callable
        A parametrised test function; assign it to a name that begins with ``test_``.

    Raises
    ------
    UsageError
        If there is no plugin, component, option or case of a given name.

    Examples
    --------
    >>> test_mine = conformance("stackkit_mine")  # doctest: +SKIP

    """
    import pytest  # the command check-plugin works without it

    known = known or {}
    every = cases(name, Selection(options=options or {}, images=images, components=components))
    for key in known:
        if not any(case.is_named(key) for case in every):
            raise UsageError(f"known={key!r} is not a check of {name}; ids are such as {every[0].id}")

    @pytest.mark.parametrize("case", [_parameter(case, known) for case in every])
    def test_conformance(case: Case) -> None:
        __tracebackhide__ = True
        _require_passed(case, case.verdict(time_limit))

    return test_conformance


def _parameter(case: Case, known: Mapping[str, str]) -> object:
    """Return the case for pytest, marked if it is known to fail."""
    import pytest

    reasons = [reason for key, reason in known.items() if case.is_named(key)]
    marks = [pytest.mark.xfail(reason=reason, strict=True) for reason in reasons[:1]]
    return pytest.param(case, id=case.id, marks=marks)


def _require_passed(case: Case, verdict: Verdict) -> None:
    """Raise what pytest shows for a check that was skipped or failed."""
    import pytest

    __tracebackhide__ = True
    if verdict.status == "skipped" and case.needs_options_that_work:
        raise CheckFailedError(f"options= of conformance: {verdict.found}")
    if verdict.status == "skipped":
        pytest.skip(verdict.found)
    if verdict.status == "FAILED":
        text = f"{case.check.sentence} But {verdict.found}. Remedy: {verdict.remedy}."
        raise CheckFailedError(text) from verdict.cause
