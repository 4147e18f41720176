"""Compare the versions of a worker with those of the process that hands out the tasks."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from stackkit import __version__
from stackkit.utils.versions import source_digest


def worker_versions() -> dict[str, str]:
    """Return the versions that features, or what is sent between processes, depend on."""
    found = {"stackkit": __version__, "Python": ".".join(platform.python_version_tuple()[:2])}
    for package in ("numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    for package in ("stackkit", "stackkit_plugins"):
        found[f"code of {package}"] = source_digest(package)
    return found


def difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return what a worker has that differs, and what to do about it; "" if nothing does.

    Parameters
    ----------
    there, here : mapping of str to str
        `worker_versions` of the worker, and of the process that hands out the tasks.

    """
    for package, ours in here.items():
        theirs = there.get(package, "none")
        if theirs == ours:
            continue
        if package.startswith("code of"):
            return (
                f"has stackkit {__version__} with other {package} than where the run was started; "
                "install the same there, and start the worker again"
            )
        remedy = f"run there: pip install {package.lower()}=={ours}"
        if package == "Python":
            remedy = f"start the worker with Python {ours}"
        return f"has {package} {theirs}, and the run was started with {ours}; {remedy}"
    return ""
