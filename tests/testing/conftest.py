"""Install toy plugins, each sound except for one fault, and run the checks on them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from support.broken_components import FACTORIES, OFFERS
from support.installing import Site, site_with_stackkit

from stackkit.testing.cases import Selection, cases


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_with_stackkit(tmp_path, monkeypatch) as site:
        yield site


@pytest.fixture
def toy(site: Site) -> Callable[..., None]:
    """Install the plugin `toy` with one component of a kind; `code` may override its class `Sound`."""

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
def failed() -> Callable[..., dict[str, str]]:
    """Run the checks of the component, or of the plugin; return {check: what is wrong} of the failed."""

    def run(*, of_plugin: bool = False, **selected) -> dict[str, str]:
        results = [
            (case.check.name, case.verdict())
            for case in cases("toy", Selection(**selected))
            if case.of_plugin == of_plugin
        ]
        assert results
        return {name: verdict.found for name, verdict in results if verdict.status == "FAILED"}

    return run
