"""Toy plugins that keep every promise but one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from support.broken_components import FACTORIES, OFFERS
from support.installing import Site, site_with_stackkit

from stackkit.testing.cases import Wish, cases
from stackkit.testing.subject import Subject


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_with_stackkit(tmp_path, monkeypatch) as site:
        yield site


@pytest.fixture
def toy(site: Site) -> Callable[..., None]:
    """Install the plugin `toy` with one component of a kind, whose sound class `code` may override."""

    def install(kind: str, code: str = "", **spec: str) -> None:
        words = {
            "name": "'toy'",
            "summary": "'a toy'",
            "factory": "'toy_work:Made'",
            **OFFERS[kind],
            **spec,
        }
        fields = ", ".join(f"{name}={text}" for name, text in words.items())
        plugin = f"""
            from stackkit.api import {kind.title()}Spec, Option, hookimpl

            @hookimpl
            def stackkit_{kind}s():
                return [{kind.title()}Spec({fields})]
        """
        site.install("stackkit-toy", plugin, plugin="toy")
        override = dedent(code) or "class Made(Sound):\n    pass"
        work = dedent(FACTORIES[kind]) + "\n\n" + override
        (site.folder / "toy_work.py").write_text(work, encoding="utf-8")

    return install


@pytest.fixture
def broken() -> Callable[..., dict[str, str]]:
    """What the kit finds: {promise: what is wrong}; of components, or of the plugin itself."""

    def find(*, of_plugin: bool = False, **wish) -> dict[str, str]:
        judged = [
            (case.promise.name, case.judge())
            for case in cases("toy", Wish(**wish))
            if isinstance(case.subject, Subject) != of_plugin
        ]
        assert judged
        return {name: verdict.found for name, verdict in judged if verdict.word == "BROKEN"}

    return find
