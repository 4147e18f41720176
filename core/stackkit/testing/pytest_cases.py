"""Promises as pytest's cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.api.specs import OptionValue
from stackkit.host.timeout import CHECK_S
from stackkit.testing.cases import Case, Wish, cases, matching
from stackkit.testing.check import CheckFailedError


def conformance(
    name: str,
    *,
    known: Mapping[str, str] | None = None,
    options: Mapping[str, Mapping[str, OptionValue]] | None = None,
    images: Sequence[str | Path] = (),
    components: Sequence[str] = (),
    time_limit: float | None = CHECK_S,
) -> Callable[..., None]:
    """A test with one case for each promise of the plugin `name` and of its components.

    `name` is that of the plugin, its module or its distribution, or the path of a single file.
    `options` are what components are made with: {"my-net": {"weights": path}}; `images` are files
    to try backbones with, beside synthetic ones; `components` are the only ones to try. A promise
    whose check takes more seconds than `time_limit` is not kept; None sets no limit. `known` says
    which promises are not kept, and why: {"my-net:row-independence": "because ..."}; those must
    fail, or the test does.
    """
    import pytest

    known = known or {}
    every = cases(name, Wish(options=options or {}, images=images, components=components))
    for key in known:
        if not any(matching(key)(case) for case in every):
            raise UsageError(f"known={key!r} is no promise of {name}; ids are such as {every[0].id}")

    def parameter(case: Case) -> object:
        reasons = [reason for key, reason in known.items() if matching(key)(case)]
        marks = [pytest.mark.xfail(reason=reason, strict=True) for reason in reasons[:1]]
        return pytest.param(case, id=case.id, marks=marks)

    @pytest.mark.parametrize("case", [parameter(case) for case in every])
    def test_conformance(case: Case) -> None:
        __tracebackhide__ = True
        verdict = case.judge(time_limit)
        if verdict.word == "skipped":
            pytest.skip(verdict.found)
        if verdict.word == "BROKEN":
            text = f"{case.promise.sentence} But {verdict.found}. Remedy: {verdict.remedy}."
            raise CheckFailedError(text) from verdict.cause

    return test_conformance
