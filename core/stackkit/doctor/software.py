"""Which versions are installed, what is missing of what stackkit needs, and which extras are here."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import stackkit
from stackkit.doctor.findings import Finding
from stackkit.utils.versions import PACKAGES, versions

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "stackkit"
FOR_DEVELOPERS = {"dev", "test"}


def versions_found() -> Iterator[Finding]:
    """Stackkit, Python, the platform, and every package that figures depend on."""
    where = Path(stackkit.__file__).parent
    yield Finding(
        name="stackkit", text=f"{stackkit.__version__} in {where}", data={"folder": str(where)}
    )
    bits = 64 if sys.maxsize > 2**32 else 32
    yield Finding(
        name="python",
        text=f"{platform.python_version()}, {bits} bit, {sys.executable}",
        data={"executable": sys.executable, "prefix": sys.prefix, "bits": bits},
    )
    found = versions()
    for name in ("platform", *PACKAGES):
        if name in found:
            yield Finding(name=name, text=found[name], data={"version": found[name]})


def requirements() -> Iterator[Finding]:
    """One finding per requirement that is not met, and one per extra."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires(DISTRIBUTION) or []
        extras = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        yield Finding(
            name=DISTRIBUTION,
            text="runs from a folder and is not installed, so that not even its own plugins are found",
            state="problem",
            remedy="run: pip install . in its folder",
        )
        return
    wanted = [Requirement(line) for line in lines]
    always = [one for one in wanted if _applies(one, "")]
    unmet = [one for one in always if _trouble(one)]
    for one in unmet:
        yield Finding(
            name=one.name, text=_trouble(one), state="problem", remedy=f"run: pip install '{_bare(one)}'"
        )
    yield Finding(name="required", text=f"{len(always) - len(unmet)} of {len(always)} packages are here")
    for extra in sorted(set(extras) - FOR_DEVELOPERS):
        yield _extra(extra, [one for one in wanted if _applies(one, extra) and one not in always])


def _extra(extra: str, wanted: list[Requirement]) -> Finding:
    troubles = {one.name: trouble for one in wanted if (trouble := _trouble(one))}
    here = [f"{one.name} {metadata.version(one.name)}" for one in wanted if one.name not in troubles]
    absent = [f"{name} {trouble}" for name, trouble in troubles.items()]
    return Finding(
        name=f"extra {extra}",
        text=", ".join([*here, *absent]) or "nothing for this platform",
        remedy=f"to have it, run: pip install '{DISTRIBUTION}[{extra}]'" if absent else "",
        data={"present": not absent, "absent": sorted(troubles)},
    )


def _applies(wanted: Requirement, extra: str) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})


def _trouble(wanted: Requirement) -> str:
    """Why a requirement is not met, or ""."""
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return "is not installed"
    if not found:  # a half-removed distribution has no version
        return "is installed in part only"
    if wanted.specifier.contains(found, prereleases=True):
        return ""
    return f"is here in version {found}, {wanted.specifier} is wanted"


def _bare(wanted: Requirement) -> str:
    return f"{wanted.name}{wanted.specifier}"
