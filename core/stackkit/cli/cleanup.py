"""What `stackkit features gc` removes."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from rich.filesize import decimal

from stackkit.cli.engines import engines as found_engines
from stackkit.cli.engines import remove, total
from stackkit.store.catalogue import entries, leftovers, to_remove
from stackkit.store.locks import is_idle, remove_idle
from stackkit.utils.retention import Removal


def clean(
    folder: Path,
    *,
    older_than_s: float | None,
    keep_bytes: int | None,
    engines: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """Remove what may go, unless it is only asked for; tells what went and what is in use."""
    removals = list[Removal]()
    if older_than_s is not None or keep_bytes is not None:  # else features are not spoken of
        removals = to_remove(
            entries(folder), time.time(), older_than_s=older_than_s, keep_bytes=keep_bytes
        )
        removals += leftovers(folder)
    gone = [one for one in removals if (is_idle if dry_run else remove_idle)(one.path)]
    if not dry_run:
        for each in {one.path.parent for one in gone}:
            with suppress(OSError):  # it holds other files
                each.rmdir()
    networks = found_engines() if engines else []
    if not dry_run:
        networks = remove(networks)
    return {
        "store": str(folder),
        "dry_run": dry_run,
        "removed": [one.document() for one in gone],
        "engines": networks,
        "bytes": sum(one.size for one in gone) + total(networks),
    }


def show_cleaned(cleaned: dict[str, Any]) -> None:
    """One line per file, and the sum."""
    verb = "would remove" if cleaned["dry_run"] else "removed"
    for one in cleaned["removed"]:
        typer.echo(f"{verb} {one['path']}: {one['reason']}, {decimal(one['bytes'])}")
    for one in cleaned["engines"]:
        typer.echo(f"{verb} {one['path']}: engine, {decimal(one['bytes'])}")
    engines = f", {len(cleaned['engines'])} engines" if cleaned["engines"] else ""
    typer.echo(f"{verb} {len(cleaned['removed'])} files{engines}, {decimal(cleaned['bytes'])}")
