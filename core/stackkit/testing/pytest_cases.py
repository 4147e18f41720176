"""The checks as pytest cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.api.specs import OptionValue
from stackkit.testing.cases import Case, Selection, cases
from stackkit.testing.check import LIMIT_S, CheckFailedError


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
        Options that components are made with: ``{"my-net": {"weights": "random"}}``.
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

    def parameter(case: Case) -> object:
        reasons = [reason for key, reason in known.items() if case.is_named(key)]
        marks = [pytest.mark.xfail(reason=reason, strict=True) for reason in reasons[:1]]
        return pytest.param(case, id=case.id, marks=marks)

    @pytest.mark.parametrize("case", [parameter(case) for case in every])
    def test_conformance(case: Case) -> None:
        __tracebackhide__ = True
        verdict = case.verdict(time_limit)
        if verdict.status == "skipped":
            pytest.skip(verdict.found)
        if verdict.status == "FAILED":
            text = f"{case.check.sentence} But {verdict.found}. Remedy: {verdict.remedy}."
            raise CheckFailedError(text) from verdict.cause

    return test_conformance
