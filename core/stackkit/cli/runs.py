"""`stackkit runs`: list and delete the records of runs without --out."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackkit.api.errors import UsageError
from stackkit.api.paths import runs_dir
from stackkit.cli import options, removal_options, values
from stackkit.cli.output import print_json
from stackkit.cli.units import age, parse_age
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.report.runs import KeptRun

Keep = Annotated[
    int | None,
    typer.Option(
        "--keep", metavar="N", parser=values.whole_number, help="Delete all but the newest N runs."
    ),
]
OlderThan = Annotated[
    str | None,
    typer.Option("--older-than", metavar="AGE", help="Delete runs that ended before: 12h, 30d, 8w."),
]


def ls(as_json: options.Json = False) -> None:
    """List kept runs with their size and age, newest first.

    Try: stackkit runs ls
    """
    from rich.console import Console
    from rich.filesize import decimal

    from stackkit.report.runs import kept_runs
    from stackkit.utils.tables import Column, print_table, unwrapped

    found = kept_runs()
    if as_json:
        print_json({"folder": str(runs_dir()), "runs": [_document(each) for each in found]})
        return
    if found:
        now = time.time()
        columns = [
            Column(heading="run", cells=[each.path.name for each in found], is_name=True),
            Column(heading="dataset", cells=[each.dataset for each in found], is_name=True, rank=1),
            Column(heading="size", cells=[decimal(each.size) for each in found], rank=2),
            Column(heading="age", cells=[age(now - each.used) for each in found], rank=2),
        ]
        print_table(unwrapped(Console()), columns)
    total = decimal(sum(each.size for each in found))
    say(f"{runs_dir()}: {len(found):,} {'run' if len(found) == 1 else 'runs'}, {total}")


def gc(
    older_than: OlderThan = None,
    keep: Keep = None,
    dry_run: removal_options.DryRemoval = False,
    as_json: options.Json = False,
) -> None:
    """Delete kept runs, and leftovers of killed ones.

    Without their records, no report of these runs can be made; features and fits stay.

    Try: stackkit runs gc --keep 20 --dry-run
    """
    if older_than is None and keep is None:
        raise UsageError("choose what to delete: --older-than 30d or --keep 20")
    if keep is not None and keep < 0:
        raise UsageError(f"--keep must be at least 0, got {keep}")
    unneeded = _unneeded(older_than_s=parse_age(older_than), keep=keep)
    documents = {each.path: _document(each) for each in unneeded}  # they are read from the folders
    gone = [each for each in unneeded if dry_run or _removed(each)]
    size = sum(each.size for each in gone)
    if as_json:
        removed = [documents[each.path] for each in gone]
        print_json({"folder": str(runs_dir()), "dry_run": dry_run, "removed": removed, "bytes": size})
        return
    from rich.filesize import decimal

    verb = "would delete" if dry_run else "deleted"
    for each in gone:
        say(f"{verb} {each.path}: {decimal(each.size)}")
    say(f"{verb} {len(gone):,} {'run' if len(gone) == 1 else 'runs'}, {decimal(size)}")


def _unneeded(*, older_than_s: float | None, keep: int | None) -> list[KeptRun]:
    from stackkit.report.runs import kept_runs, leftovers

    now, found = time.time(), kept_runs()
    return [
        each
        for number, each in enumerate(found)
        if (keep is not None and number >= keep)
        or (older_than_s is not None and now - each.used > older_than_s)
    ] + leftovers(now)


def _removed(run: KeptRun) -> bool:
    shutil.rmtree(run.path, ignore_errors=True)
    return not run.path.exists()


def _document(run: KeptRun) -> dict[str, Any]:
    moment = datetime.fromtimestamp(run.used, UTC).isoformat(timespec="seconds")
    return {"path": str(run.path), "dataset": run.dataset, "bytes": run.size, "ended": moment}
