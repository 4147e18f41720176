"""Installed versions, missing requirements of stackkit, and its extras."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import stackkit
from stackkit.doctor.finding import Finding, ok, problem
from stackkit.utils.versions import PACKAGES, versions

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DEVELOPER_EXTRAS = {"dev", "test"}


def versions_found() -> Iterator[Finding]:
    """Versions of stackkit, Python, the platform, and the packages that results depend on."""
    folder = str(Path(stackkit.__file__).parent)
    yield ok("stackkit", f"{stackkit.__version__} in {folder}", folder=folder)
    text = f"{platform.python_version()}, {sys.executable}"
    yield ok("python", text, executable=sys.executable)
    found = versions()
    yield from (ok(name, found[name], version=found[name]) for name in PACKAGES if name in found)
    yield ok("platform", found["platform"], version=found["platform"])


def requirements() -> Iterator[Finding]:
    """Requirements that are not met, and the extras."""
    from packaging.requirements import Requirement

    try:
        declared = [Requirement(line) for line in metadata.requires("stackkit") or []]
        extras = metadata.metadata("stackkit").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        text = "runs from a folder and is not installed, so its own plugins are not found"
        yield problem("stackkit", text, "run: pip install . in its folder")
        return
    required = [one for one in declared if _applies(one, "")]
    unmet = {one: why for one in required if (why := _unmet(one))}
    for one, why in unmet.items():
        yield problem(one.name, why, f"run: pip install '{one.name}{one.specifier}'")
    count = len(required) - len(unmet)
    yield ok("required", f"{count} of {len(required)} packages are installed")
    for extra in sorted(set(extras) - DEVELOPER_EXTRAS):
        added = [one for one in declared if _applies(one, extra) and one not in required]
        absent = {one.name: why for one in added if (why := _unmet(one))}
        states = [f"{one.name} {absent.get(one.name) or metadata.version(one.name)}" for one in added]
        remedy = f"to use it, run: pip install 'stackkit[{extra}]'" if absent else ""
        text = ", ".join(states) or "nothing for this platform"
        yield ok(f"extra {extra}", text, remedy, present=not absent, absent=sorted(absent))


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _unmet(requirement: Requirement) -> str:
    """Why a requirement is not met, or ""."""
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return "is not installed"
    # An interrupted uninstallation leaves metadata without a version.
    if found and requirement.specifier.contains(found, prereleases=True):
        return ""
    return f"{found or 'no version'} is installed, {requirement.specifier} is required"
