"""Show feature files as tables, and describe them for --json."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal

from stackkit.api.paths import engines_dir
from stackkit.cli.cleanup import total_bytes
from stackkit.cli.units import age
from stackkit.extraction.recompute import TOLERANCE, Recomputed
from stackkit.store.catalogue import Entry, RowStates
from stackkit.utils.tables import Column, print_literal, print_table, unwrapped

MOST_NAMED = 20

COLUMNS = (
    ("#", True, 0),
    ("dataset", True, 0),
    ("backbone", True, 0),
    ("setting", True, 2),
    ("dtype", True, 4),
    ("images", False, 1),
    ("size", False, 3),
    ("last used", False, 5),
    ("state", False, 0),
)
"""Heading, whether it is a name, and the order in which a narrow terminal loses it (see `Column`)."""


def document(entry: Entry) -> dict[str, Any]:
    """Describe a file as one element of `features ls --json`."""
    contents = entry.contents
    return {
        "path": str(entry.path),
        "state": entry.state,
        "problem": entry.problem,
        "dataset": contents.dataset if contents else None,
        "backbone": contents.key.name if contents else None,
        "revision": contents.key.revision if contents else None,
        "image_size": contents.key.image_size if contents else None,
        "feature_dim": contents.key.feature_dim if contents else None,
        "dtype": contents.key.dtype if contents else None,
        "trained": contents.key.trained if contents else None,
        "resize": contents.key.resize if contents else None,
        "view": contents.key.view if contents else None,
        "format": contents.version if contents else None,
        "shard": str(contents.shard) if contents and contents.shard else None,
        "shards": [path.name for path in entry.shards],
        "stored": entry.stored,
        "images": entry.images,
        "bytes": entry.size,
        "last_used": datetime.fromtimestamp(entry.used, UTC).isoformat(timespec="seconds"),
    }


def details(entry: Entry, states: RowStates) -> dict[str, Any]:
    """Describe a file for `features show --json`."""
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


def verdict(entry: Entry, states: RowStates | None, rows: Sequence[Recomputed]) -> dict[str, Any]:
    """Describe what verifying and recomputing rows of a file have found."""
    tolerance = TOLERANCE[entry.contents.key.dtype] if entry.contents else 0.0
    wrong = [row for row in rows if row.disagrees(tolerance)]
    damaged = states.damaged if states else []
    samples = entry.contents.rows.samples if entry.contents else []
    return {
        "path": str(entry.path),
        "state": entry.state,
        "problem": entry.problem,
        "sound": entry.state not in {"damaged", "unreadable"} and not damaged and not wrong,
        "intact": len(states.intact) if states else 0,
        "damaged": [samples[row].id for row in damaged],
        "recomputed": sum(row.difference is not None for row in rows),
        "largest_difference": max((row.difference or 0.0 for row in rows), default=None),
        "disagreeing": [row.sample for row in wrong],
        "skipped": {row.sample: row.skipped for row in rows if row.skipped},
    }


def show_entries(folder: Path, found: Sequence[Entry]) -> None:
    """Print a row per file, the total, and what is wrong with files that cannot be used."""
    console = unwrapped(Console())
    if found:
        print_table(console, _columns(found))
    print_literal(
        console, f"{folder}: {len(found)} files, {decimal(sum(entry.size for entry in found))}"
    )
    for entry in found:
        if entry.problem:
            print_literal(console, f"{entry.state}: {entry.problem}")


def show_engines(found: Sequence[dict[str, Any]]) -> None:
    """Print the number and size of converted networks, if there are any."""
    if found:
        print_literal(
            unwrapped(Console()), f"{engines_dir()}: {len(found)} engines, {decimal(total_bytes(found))}"
        )


def _columns(found: Sequence[Entry]) -> list[Column]:
    numbers = [str(number) for number in range(1, len(found) + 1)]
    texts = [numbers, *map(list, zip(*map(_cells, found), strict=True))]
    return [
        Column(heading=heading, cells=cells, is_name=is_name, rank=rank)
        for (heading, is_name, rank), cells in zip(COLUMNS, texts, strict=True)
    ]


def _cells(entry: Entry) -> list[str]:
    size, used = decimal(entry.size), age(time.time() - entry.used)
    if entry.contents is None:
        return [entry.path.name, entry.path.parent.name, "", "", "", size, used, entry.state]
    key = entry.contents.key
    pixels = ", ".join(
        [
            f"{key.image_size} px",
            *(key.pixels[name] for name in ("resize", "view") if name in key.pixels),
        ]
    )
    setting = f"{pixels} -> {key.feature_dim}, {key.revision}"
    trained = setting if key.trained else f"{setting} (untrained)"
    images = f"{entry.stored:,} of {entry.images:,}"
    dataset = entry.contents.dataset
    if entry.contents.shard:
        dataset += f" (shard {entry.contents.shard})"
    if entry.shards:
        dataset += f" ({len(entry.shards)} shards)"
    return [dataset, key.name, trained, key.dtype, images, size, used, entry.state]


def show_details(found: dict[str, Any]) -> None:
    """Print a line per fact."""
    console = unwrapped(Console())
    counts = found.pop("classes")
    origins = found.pop("provenance")
    for name, value in found.items():
        if value not in (None, []):
            print_literal(console, f"{name:<12} {_listed(value) if isinstance(value, list) else value}")
    print_literal(console, f"{'classes':<12} {len(counts)}")
    for name, count in counts.items():
        print_literal(console, f"  {name}: {count:,}")
    for origin in origins:
        print_literal(console, f"{'origin':<12} {json.dumps(origin)}")


def failure(verdicts: Sequence[dict[str, Any]]) -> str | None:
    """Return what is wrong with the first bad file and what to do, or None if there is none.

    Damaged files come before those that disagree with their networks.
    """
    bad = sorted((found for found in verdicts if not found["sound"]), key=_is_undamaged)
    if not bad:
        return None
    first, files = bad[0]["path"], f"{len(bad)} of {len(verdicts)} files failed verification; the first,"
    if _is_undamaged(bad[0]):
        return (
            f"{files} {first}, disagrees with its network, which computes other features now under the "
            "same revision; change `revision` when features change, or delete the file if its features "
            "were wrong"
        )
    return (
        f"{files} {first}, is damaged; run `stackkit extract` with its --dataset and --backbones "
        "to recompute the damaged rows"
    )


def _is_undamaged(found: dict[str, Any]) -> bool:
    """Return whether the file is as it was written; its network may compute other features now."""
    return not found["damaged"] and found["state"] not in {"damaged", "unreadable"}


def show_verdicts(verdicts: Sequence[dict[str, Any]]) -> None:
    """Print a line per file, and the samples with damaged, disagreeing or skipped rows."""
    console = unwrapped(Console())
    for found in verdicts:
        print_literal(console, f"{_word(found)}: {found['path']}: {_finding(found)}")
        for name in ("damaged", "disagreeing"):
            if found[name]:
                print_literal(console, f"  {name}: {_listed(found[name])}")
        for sample, reason in found["skipped"].items():
            print_literal(console, f"  not compared: {sample}: {reason}")


def _word(found: dict[str, Any]) -> str:
    if not found["sound"]:
        return "DISAGREES" if _is_undamaged(found) else "DAMAGED"
    return "skipped" if found["problem"] else "ok"


def _finding(found: dict[str, Any]) -> str:
    if found["problem"]:
        return str(found["problem"])
    text = f"{found['intact']:,} rows intact"
    if found["recomputed"]:
        text += (
            f", {found['recomputed']} recomputed, largest difference "
            f"{found['largest_difference']:.1e} of a row's norm"
        )
    return text


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return f"{len(names):,}: {', '.join(names[:MOST_NAMED])}{f' and {more:,} more' if more > 0 else ''}"
