"""Versions that results depend on, found without importing any of the packages."""

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
"""Distributions that results depend on."""


def versions() -> dict[str, str]:
    """Return the versions of Python, the platform and each installed package of `PACKAGES`."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@cache
def source_digest(module: str) -> str:
    """Return a digest of all Python files of the package that a module belongs to.

    Parameters
    ----------
    module : str
        Dotted name. It is not imported.

    Returns
    -------
    str
        32 hexadecimal digits (BLAKE2b), or "" if there is no such package.

    Notes
    -----
    Keys of cached results contain this digest in addition to the version, because authors change code
    while they develop and raise the version only for a release. The whole package counts, since a
    component may use any of its modules.

    """
    digest = hashlib.blake2b(digest_size=16)
    if (spec := find_spec(module.partition(".")[0])) is None:
        return ""
    folders = map(Path, spec.submodule_search_locations or ())
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    for file in files or [Path(spec.origin or "")]:  # a module that is not a package is one file
        digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def dependency_versions(distribution: str) -> list[str]:
    """Return the installed versions of everything that a distribution requires.

    Parameters
    ----------
    distribution : str
        Name of a distribution.

    Returns
    -------
    list of str
        Texts such as "numpy 2.1.0", sorted. NumPy, SciPy and scikit-learn are always included, because
        stackkit itself computes with them. Extras and packages that are not installed are left out.

    Notes
    -----
    Keys of cached results contain these versions: another version may give other numbers.

    """
    required = list[str]()
    with suppress(PackageNotFoundError):  # a plugin in a single file belongs to no distribution
        required = [text for text in requires(distribution) or () if "extra ==" not in text]
    names = {"numpy", "scipy", "scikit-learn"}
    # The name in front of versions and markers, as in "numpy>=1.26; python_version < '3.12'".
    names |= {match[0] for text in required if (match := re.match(r"[\w.-]+", text))}
    found = []
    for name in sorted(names):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return found
