"""Versions of what figures depend on, found without importing any of it."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("h5py", "keras", "mlxtend", "numpy", "pillow", "scikit-learn", "scipy", "tensorflow")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_digest(module: str) -> str:
    """BLAKE2b over the Python files of a module's package: code changes before its version does."""
    found = hashlib.blake2b(digest_size=16)
    if (spec := find_spec(module.partition(".")[0])) is None:
        return ""
    folders = map(Path, spec.submodule_search_locations or ())
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    for file in files or [Path(spec.origin or "")]:
        found.update(file.read_bytes())
    return found.hexdigest()
