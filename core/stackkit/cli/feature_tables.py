"""Feature files as tables for people and as documents for machines."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from stackkit.api.paths import engines_dir
from stackkit.cli.engines import total
from stackkit.cli.units import age
from stackkit.extraction.recompute import TOLERANCE, Recomputed
from stackkit.store.catalogue import Entry, RowStates
from stackkit.utils.console import print_literal, unwrapped

MOST_NAMED = 20


def document(entry: Entry) -> dict[str, Any]:
    """One line of the list, for machines."""
    contents = entry.contents
    return {
        "path": str(entry.path),
        "state": entry.state,
        "problem": entry.problem,
        "dataset": contents.rows.dataset if contents else None,
        "backbone": contents.key.name if contents else None,
        "revision": contents.key.revision if contents else None,
        "image_size": contents.key.image_size if contents else None,
        "feature_dim": contents.key.feature_dim if contents else None,
        "dtype": contents.key.dtype if contents else None,
        "trained": contents.key.trained if contents else None,
        "format": contents.version if contents else None,
        "stored": entry.stored,
        "images": entry.images,
        "bytes": entry.size,
        "last_used": datetime.fromtimestamp(entry.used, UTC).isoformat(timespec="seconds"),
    }


def details(entry: Entry, states: RowStates) -> dict[str, Any]:
    """Everything about one file."""
    assert entry.contents is not None
    samples, classes = entry.contents.rows.samples, entry.contents.rows.classes
    counts = Counter(samples[row].label for row in states.intact)
    return {
        **document(entry),
        "sound": len(states.intact),
        "classes": {name: counts[label] for label, name in enumerate(classes)},
        "damaged": [samples[row].id for row in states.damaged],
        "missing": [samples[row].id for row in states.missing],
        "unreadable": [samples[row].id for row in states.unread],
        "provenance": list(entry.contents.provenance),
    }


def verdict(entry: Entry, states: RowStates | None, again: Sequence[Recomputed]) -> dict[str, Any]:
    """What checking one file has found."""
    tolerance = TOLERANCE[entry.contents.key.dtype] if entry.contents else 0.0
    wrong = [row for row in again if row.disagrees(tolerance)]
    damaged = states.damaged if states else []
    samples = entry.contents.rows.samples if entry.contents else []
    return {
        "path": str(entry.path),
        "state": entry.state,
        "problem": entry.problem,
        "sound": entry.state not in {"damaged", "unreadable"} and not damaged and not wrong,
        "intact": len(states.intact) if states else 0,
        "damaged": [samples[row].id for row in damaged],
        "recomputed": sum(row.difference is not None for row in again),
        "largest_difference": max((row.difference or 0.0 for row in again), default=None),
        "disagreeing": [row.sample for row in wrong],
        "skipped": {row.sample: row.skipped for row in again if row.skipped},
    }


def show_entries(folder: Path, found: Sequence[Entry]) -> None:
    """One row per file."""
    console = unwrapped(Console())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("#", "dataset", "backbone", "setting", "dtype"):
        table.add_column(name, overflow="fold")
    for name in ("images", "size", "last used"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for number, entry in enumerate(found, start=1):
        table.add_row(str(number), *_cells(entry))
    if found:
        console.print(table)
    print_literal(
        console, f"{folder}: {len(found)} files, {decimal(sum(entry.size for entry in found))}"
    )
    for entry in found:
        if entry.problem:
            print_literal(console, f"{entry.state}: {entry.problem}")


def show_engines(found: Sequence[dict[str, Any]]) -> None:
    """What they take in all, unless that is nothing."""
    if found:
        print_literal(
            unwrapped(Console()), f"{engines_dir()}: {len(found)} engines, {decimal(total(found))}"
        )


def _cells(entry: Entry) -> list[str]:
    size, used = decimal(entry.size), age(time.time() - entry.used)
    if entry.contents is None:
        return [entry.path.name, entry.path.parent.name, "", "", "", size, used, entry.state]
    key = entry.contents.key
    setting = f"{key.image_size} px -> {key.feature_dim}, {key.revision}"
    trained = setting if key.trained else f"{setting} (untrained)"
    images = f"{entry.stored:,} of {entry.images:,}"
    dataset = entry.contents.rows.dataset
    return [dataset, key.name, trained, key.dtype, images, size, used, entry.state]


def show_details(told: dict[str, Any]) -> None:
    """A line per fact."""
    console = unwrapped(Console())
    counts = told.pop("classes")
    origins = told.pop("provenance")
    for name, value in told.items():
        if value not in (None, []):
            print_literal(console, f"{name:<12} {_listed(value) if isinstance(value, list) else value}")
    print_literal(console, f"{'classes':<12} {len(counts)}")
    for name, count in counts.items():
        print_literal(console, f"  {name}: {count:,}")
    for origin in origins:
        print_literal(console, f"{'origin':<12} {json.dumps(origin)}")


def fault(verdicts: Sequence[dict[str, Any]]) -> str | None:
    """What is wrong with the first file that is not sound, and what to do; None if all are."""
    bad = sorted((told for told in verdicts if not told["sound"]), key=_is_whole)
    if not bad:
        return None
    first, files = bad[0]["path"], f"{len(bad)} of {len(verdicts)} files are not sound, the first"
    if _is_whole(bad[0]):
        return (
            f"{files} {first}: its network gives other features by now, under the same revision; make "
            "the revision tell, or remove the file if its features were wrong"
        )
    return (
        f"{files} {first}, which is damaged; run `stackkit extract` with its --dataset and --backbones "
        "to compute the damaged rows again"
    )


def _is_whole(told: dict[str, Any]) -> bool:
    """Whether the file is as it was written, whatever its network gives by now."""
    return not told["damaged"] and told["state"] not in {"damaged", "unreadable"}


def show_verdicts(verdicts: Sequence[dict[str, Any]]) -> None:
    """A line per file, and what is wrong with it."""
    console = unwrapped(Console())
    for told in verdicts:
        print_literal(console, f"{_word(told)}: {told['path']}: {_finding(told)}")
        for name in ("damaged", "disagreeing"):
            if told[name]:
                print_literal(console, f"  {name}: {_listed(told[name])}")
        for sample, reason in told["skipped"].items():
            print_literal(console, f"  not compared: {sample}: {reason}")


def _word(told: dict[str, Any]) -> str:
    if not told["sound"]:
        return "DISAGREES" if _is_whole(told) else "DAMAGED"
    return "left alone" if told["problem"] else "ok"


def _finding(told: dict[str, Any]) -> str:
    if told["problem"]:
        return str(told["problem"])
    found = f"{told['intact']:,} rows sound"
    if told["recomputed"]:
        found += (
            f", {told['recomputed']} computed again, largest difference "
            f"{told['largest_difference']:.1e} of a row's norm"
        )
    return found


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return f"{len(names):,}: {', '.join(names[:MOST_NAMED])}{f' and {more:,} more' if more > 0 else ''}"
