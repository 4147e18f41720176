"""Delete stored features and converted networks for `stackkit features gc`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from stackkit.api.paths import engines_dir
from stackkit.store.catalogue import entries, leftovers, to_remove
from stackkit.store.locks import is_idle, remove_idle
from stackkit.utils.console import say
from stackkit.utils.retention import Removal


def find_engines() -> list[dict[str, Any]]:
    """Return path and size of every backbone's converted network."""
    return [
        {
            "path": str(folder),
            "bytes": sum(p.lstat().st_size for p in folder.rglob("*") if not p.is_dir()),
        }
        for folder in sorted(engines_dir().glob("*"))
        if folder.is_dir()
    ]


def total_bytes(engines: Sequence[dict[str, Any]]) -> int:
    """Return the size of all engines together."""
    return sum(engine["bytes"] for engine in engines)


def clean(
    folder: Path,
    *,
    older_than_s: float | None,
    keep_bytes: int | None,
    engines: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """Delete unused features, damaged files, leftovers and, if asked for, converted networks.

    Parameters
    ----------
    folder : Path
        The feature store.
    older_than_s : float or None
        Delete files unused for more seconds than this.
    keep_bytes : int or None
        Delete the longest unused files until the rest is not larger than this.
    engines : bool
        Whether to delete converted networks too. They alone go if both limits are None.
    dry_run : bool
        Whether to delete nothing.

    Returns
    -------
    dict
        What was deleted, or would be, as --json prints it. Files in use are not part of it.

    """
    removals = list[Removal]()
    if older_than_s is not None or keep_bytes is not None:
        removals = to_remove(
            entries(folder), time.time(), older_than_s=older_than_s, keep_bytes=keep_bytes
        )
        removals += leftovers(folder)
    # Another process may have opened a file since it was listed: what is in use stays.
    gone = [one for one in removals if (is_idle if dry_run else remove_idle)(one.path)]
    networks = find_engines() if engines else []
    if not dry_run:
        for each in {one.path.parent for one in gone}:
            with suppress(OSError):  # it is not empty
                each.rmdir()
        networks = _removed(networks)
    return {
        "store": str(folder),
        "dry_run": dry_run,
        "removed": [one.document() for one in gone],
        "engines": networks,
        "bytes": sum(one.size for one in gone) + total_bytes(networks),
    }


def _removed(networks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Delete converted networks; return those that are gone."""
    for network in networks:
        shutil.rmtree(network["path"], ignore_errors=True)  # what stays is not returned
    return [network for network in networks if not Path(network["path"]).exists()]


def show_cleaned(cleaned: dict[str, Any]) -> None:
    """Print a line per file, and the total."""
    verb = "would delete" if cleaned["dry_run"] else "deleted"
    for one in cleaned["removed"]:
        say(f"{verb} {one['path']}: {one['reason']}, {decimal(one['bytes'])}")
    for one in cleaned["engines"]:
        say(f"{verb} {one['path']}: engine, {decimal(one['bytes'])}")
    engines = f", {len(cleaned['engines'])} engines" if cleaned["engines"] else ""
    say(f"{verb} {len(cleaned['removed'])} files{engines}, {decimal(cleaned['bytes'])}")
