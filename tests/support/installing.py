"""Install distributions that importlib.metadata really finds, without pip, in a folder of one's own."""

import importlib
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from textwrap import dedent

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Site:
    """A folder on sys.path, as site-packages is one."""

    folder: Path

    def install(
        self,
        name: str,
        code: str,
        *,
        plugin: str = "",
        version: str = "1.0",
        requires: Sequence[str] = (),
    ) -> None:
        """Distribution `name` with one module of `code`, which it offers as `plugin`."""
        module = name.replace("-", "_")
        (self.folder / f"{module}.py").write_text(dedent(code), encoding="utf-8")
        self.declare(name, {plugin or name: module}, version=version, requires=requires)

    def declare(
        self,
        name: str,
        points: Mapping[str, str],
        *,
        version: str = "1.0",
        requires: Sequence[str] = (),
    ) -> None:
        """Only the metadata of a distribution: its name, version, requirements and entry points."""
        folder = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        (folder / "METADATA").write_text(metadata, encoding="utf-8")
        lines = [f"{point} = {value}\n" for point, value in points.items()]
        (folder / "entry_points.txt").write_text("[stackkit]\n" + "".join(lines), encoding="utf-8")
        # importlib.metadata remembers a folder's content for as long as its time stamp stands still.
        importlib.invalidate_caches()


@contextmanager
def site_with_stackkit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site in which stackkit is installed, be it for real or by its entry points alone."""
    monkeypatch.syspath_prepend(folder)
    for variable in [
        name for name in os.environ if name.startswith(("STACKKIT_PLUGIN", "STACKKIT_STRICT"))
    ]:
        monkeypatch.delenv(variable)
    site = Site(folder)
    stand_in_for_stackkit(site)
    yield site
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def stand_in_for_stackkit(site: Site) -> None:
    """Declare stackkit's own entry points as pyproject.toml has them, unless it is installed."""
    try:
        distribution("stackkit")
    except PackageNotFoundError:
        site.declare("stackkit", own_entry_points(), version="0.1.0")


def own_entry_points() -> dict[str, str]:
    """Stackkit's own plugins: {name: module}."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points: dict[str, str] = project["entry-points"]["stackkit"]
    return points
