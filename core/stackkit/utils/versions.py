"""Versions of what figures depend on, found without importing any of it."""

from __future__ import annotations

import hashlib
import platform
import re
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
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


@cache
def surroundings(distribution: str) -> list[str]:
    """What all fits, and a distribution's, rely on as it is installed: other versions, other answers."""
    required = list[str]()
    with suppress(PackageNotFoundError):
        required = [text for text in requires(distribution) or () if "extra ==" not in text]
    names = {"numpy", "scipy", "scikit-learn"}
    names |= {match[0] for text in required if (match := re.match(r"[\w.-]+", text))}
    found = []
    for name in sorted(names):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return found
