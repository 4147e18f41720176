"""`stackkit fits`: show what cached fits take on disk, and delete them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from stackkit.api.errors import UsageError
from stackkit.api.paths import fits_dir
from stackkit.cli import options, removal_options
from stackkit.cli.output import print_json
from stackkit.cli.units import age, parse_age, parse_size
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.utils.retention import Removal

All = Annotated[bool, typer.Option("--all", help="Delete all cached fits (refitted on demand).")]


def ls(as_json: options.Json = False) -> None:
    """Show number, size and last use of cached fits.

    Try: stackkit fits ls
    """
    from rich.filesize import decimal

    from stackkit.evaluation.fit_cache import cached_fits

    files = cached_fits(fits_dir())
    size, uses = sum(file.size for file in files), sorted(file.used for file in files)
    if as_json:
        print_json(
            {
                "folder": str(fits_dir()),
                "fits": len(files),
                "bytes": size,
                "oldest_use": _moment(uses[0]) if uses else None,
                "newest_use": _moment(uses[-1]) if uses else None,
            }
        )
        return
    say(f"{fits_dir()}: {len(files):,} fits, {decimal(size)}")
    if uses:
        newest, oldest = (age(time.time() - used) for used in (uses[-1], uses[0]))
        say(f"most recently used {newest} ago, least recently used {oldest} ago")


def gc(
    older_than: removal_options.OlderThan = None,
    keep_size: removal_options.KeepSize = None,
    everything: All = False,
    dry_run: removal_options.DryRemoval = False,
    as_json: options.Json = False,
) -> None:
    """Delete unused fits and leftovers of killed processes.

    A run in progress loses only time: it fits again what was deleted.

    Try: stackkit fits gc --older-than 30d --dry-run
    """
    if older_than is None and keep_size is None and not everything:
        raise UsageError("choose what to delete: --older-than 30d, --keep-size 1GB or --all")
    gone = _clean(
        older_than_s=parse_age(older_than),
        keep_bytes=parse_size(keep_size),
        everything=everything,
        dry_run=dry_run,
    )
    if as_json:
        removed = [one.document() for one in gone]
        size = sum(one.size for one in gone)
        print_json({"folder": str(fits_dir()), "dry_run": dry_run, "removed": removed, "bytes": size})
    else:
        _show(gone, "would delete" if dry_run else "deleted")


def _clean(
    *, older_than_s: float | None, keep_bytes: int | None, everything: bool, dry_run: bool
) -> list[Removal]:
    """Return what was deleted, or would be; a fit that was used in the meantime is kept."""
    from stackkit.evaluation.fit_cache import cached_fits, leftovers
    from stackkit.utils.retention import Removal, select_unused

    now = time.time()
    files, temporaries = cached_fits(fits_dir()), leftovers(fits_dir(), now)
    if everything:
        removals = [Removal.of(file, "--all") for file in files]
    else:
        removals = select_unused(files, now, older_than_s=older_than_s, keep_bytes=keep_bytes)
    removals += [Removal.of(temporary, "left over") for temporary in temporaries]
    # A fit knows when it was used when it was listed, and does not go if it has been used since.
    known = {file.path: file for file in (*files, *temporaries)}
    return [one for one in removals if dry_run or known[one.path].remove()]


def _show(gone: Sequence[Removal], verb: str) -> None:
    """Print a line per reason, and the total; fits are too many and too small to list each."""
    from rich.filesize import decimal

    reasons = Counter(one.reason for one in gone)
    for reason, count in reasons.items():
        size = sum(one.size for one in gone if one.reason == reason)
        say(f"{verb} {count:,} fits: {reason}, {decimal(size)}")
    say(f"{verb} {len(gone):,} fits, {decimal(sum(one.size for one in gone))}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
