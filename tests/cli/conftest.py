"""Fixtures of the command line: an installed example plugin, and `stackkit` as a function."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import HISTOGRAM, Command, Outcome, without_page
from support.installing import REPOSITORY, Site, site_with_stackkit

from stackkit.cli import main

EXAMPLE = REPOSITORY / "docs/examples/stackkit-colour-histogram/src/stackkit_colour_histogram"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A folder of installed plugins with the cheap backbone of HOWTO_PLUGIN.md."""
    with site_with_stackkit(tmp_path_factory.mktemp("site"), monkeypatch) as site:
        shutil.copytree(EXAMPLE, site.folder / EXAMPLE.name)
        site.declare("stackkit-colour-histogram", {HISTOGRAM: EXAMPLE.name})
        yield site


@pytest.fixture
def stackkit(site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `stackkit ARGUMENTS` in this process."""
    monkeypatch.setenv("STACKKIT_DEBUG", "0")  # restored after the test, also if --debug sets it

    def command(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        code = main(without_page(arguments))
        printed = capfd.readouterr()
        return Outcome(code=code, out=printed.out, err=printed.err)

    return command
