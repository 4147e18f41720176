"""Show components and plugins as text; without Rich, whose import takes 40 ms."""

from __future__ import annotations

import math
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from stackkit.api.errors import plain
from stackkit.utils.console import cells, encoding_of, padded, say

if TYPE_CHECKING:
    from stackkit.host.host import PluginRecord

Entry = dict[str, Any]
"""A component as `stackkit list-plugins --json` describes it."""

HEADS = ("status", "px", "features", "download", "what it is")
NUMBERS = range(2, 5)
"""Columns that are right-aligned, and left out where no component of a kind has a value."""

SHORTEST_SUMMARY = 12
OPTION_COLUMN = 20

EXAMPLES = {
    "dataset": "--dataset {} --backbones 'efficientnet-lite*'",
    "backbone": "--dataset mnist --backbones {}",
    "learner": "--dataset mnist --backbones 'efficientnet-lite*' --learner {}",
    "baseline": "--dataset mnist --backbones 'efficientnet-lite*' --baseline {}",
    "aggregator": "--dataset mnist --backbones 'efficientnet-lite*' --aggregator {}",
    "executor": "--dataset mnist --backbones 'efficientnet-lite*' --executor {}",
}


def show_kind(kind: str, entries: Sequence[Entry], width: int | None) -> None:
    """Print one line per component, cut at `width` characters; None: not cut."""
    rows = [[f"{kind}s", *HEADS], *map(_row, entries)]
    used = [i for i in range(len(rows[0])) if i not in NUMBERS or any(row[i] for row in rows[1:])]
    widths = {i: max(cells(row[i]) for row in rows) for i in used}
    room = None
    if width is not None:
        room = max(width - sum(widths[i] + 2 for i in used[:-1]), SHORTEST_SUMMARY)
    for number, row in enumerate(rows):
        texts = [
            row[i].rjust(widths[i]) if i in NUMBERS else padded(row[i], widths[i]) for i in used[:-1]
        ]
        say("  ".join([*texts, _cut(row[-1], room)]).rstrip(), bold=number == 0)
    if not entries:
        say("none")
    say()


def _row(entry: Entry) -> list[str]:
    pixels, features = entry["image_size"], entry["feature_dim"]
    return [
        entry["name"],
        entry["status"],
        f"{pixels}" if pixels else "",
        f"{features:,}" if features else "",
        megabytes(entry["download_bytes"]) if entry["status"] != "ok" else "",
        plain(entry["summary"]),
    ]


def megabytes(size: int | None) -> str:
    """Format bytes as "94 MB" or "3.8 MB"; "" for None."""
    if size is None:
        return ""
    return f"{size / 1e6:,.0f} MB" if size >= 10**7 else f"{size / 1e6:.1f} MB"


def _cut(text: str, room: int | None) -> str:
    if room is None or cells(text) <= room:
        return text
    # A terminal in another encoding would turn "…" into an error.
    mark = "…" if "utf" in encoding_of(sys.stdout).lower() else "..."
    while cells(text) > room - len(mark):
        text = text[:-1]
    return text.rstrip() + mark


def show_component(entry: Entry, width: int | None) -> None:
    """Print everything about a component, wrapped at `width` characters; None: not wrapped."""
    say(f"{entry['name']} ({entry['kind']}): {plain(entry['summary'])}", bold=True)
    for name, text in _facts(entry).items():
        if text:
            _show_field(name, text, width, column=10)
    if entry["options"]:
        say("  options, as name=default:")
    for option in entry["options"]:
        name = f"{option['name']}={value_text(option['default'])}"
        text = f"{option['help']} [{allowed_values(option)}]"
        text += f" (deprecated: {option['deprecated']})" if option["deprecated"] else ""
        _show_field(name, text, width, column=OPTION_COLUMN, indent=4)
    # Not wrapped: a line that a terminal wraps by itself can be copied in one piece.
    say(f"  example:   stackkit run {_example(entry)}")
    say()


def _facts(entry: Entry) -> dict[str, str]:
    pixels, features = entry["image_size"], entry["feature_dim"]
    network = [f"{pixels}x{pixels} pixels"] if pixels else []
    network += [f"{features:,} features"] if features else []
    reason = entry["unavailable_reason"]
    download = megabytes(entry["download_bytes"])
    return {
        "status:": f"{entry['status']}: {reason}" if reason else entry["status"],
        "network:": " -> ".join(network),
        "download:": download and f"about {download}",
        "plugin:": f"{entry['plugin']}, from {entry['distribution']} {entry['version']}",
        "full name:": entry["qualified_name"],
        "requires:": ", ".join(entry["requires"]),
    }


def _show_field(name: str, text: str, width: int | None, *, column: int, indent: int = 2) -> None:
    """Print a name and, from `column` on, a text; below each other if the name is longer."""
    name, text = plain(name), plain(text)  # a plugin's texts may hold line ends and control characters
    lead = " " * indent
    hang = " " * (indent + column + 1)
    if len(name) > column:
        say(lead + name)
        first = hang
    else:
        first = f"{lead}{name:<{column}} "
    if width is None:
        say(f"{first}{text}".rstrip())
        return
    lines = textwrap.wrap(
        text,
        max(width, len(hang) + 20),  # on a terminal that is too narrow, lines may be longer
        initial_indent=first,
        subsequent_indent=hang,
        break_long_words=False,  # paths and URLs stay whole, to be copied
        break_on_hyphens=False,
    )
    for line in lines or [first.rstrip()]:
        say(line)


def allowed_values(option: dict[str, Any], mark: Callable[[str], str] = str) -> str:
    """Describe the values of an option, such as "whole number >= 1 or none".

    `mark` is applied to every value that is typed literally.
    """
    words = [mark(value_text(word)) for word in option["words"]]
    none = [mark("none")] if option["default"] in (None, (), []) else []
    several = f"; several joined by {mark('+')}" if option["several"] else ""
    if option["choices"]:
        known = dict.fromkeys([*(mark(value_text(each)) for each in option["choices"]), *none])
        return ", ".join(known) + several
    kinds = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    bounds = {"minimum": ">=", "maximum": "<=", "above": ">"}
    limits = [f"{bound} {option[key]:,.15g}" for key, bound in bounds.items() if option[key] is not None]
    values = " ".join([kinds[option["type"]], ", ".join(limits)]).strip()
    return " or ".join([values, *words, *none]) + several


def value_text(value: object) -> str:
    """Return a value as it is typed on the command line: true, false, none, numbers, text, a+b."""
    if isinstance(value, tuple | list):  # a list in documents that were read from JSON
        return "+".join(value) or "none"
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def _example(entry: Entry) -> str:
    """Return options of `stackkit run` that use the component, with one of its own options."""
    from stackkit.host.option_syntax import unparse

    # An option with choices makes the best example: its other values are known to work.
    options = [each for each in entry["options"] if not (each["deprecated"] or each["added"])]
    shown = sorted(options, key=lambda option: not option["choices"])[:1]
    given = {option["name"]: _another_value(option) for option in shown}
    kind = "baseline" if entry["probabilities"] is False else entry["kind"]
    return EXAMPLES[kind].format(shlex.quote(unparse(entry["name"], given)))


def _another_value(option: dict[str, Any]) -> Any:
    for choice in option["choices"]:
        if choice != option["default"]:
            return choice
    if option["default"] is not None:
        return option["default"]
    if option["type"] == "str":
        return option["name"].upper()  # a placeholder, as in root=ROOT
    return min(int(option["minimum"] or 0) + 9, option["maximum"] or math.inf)


def show_plugins(records: Sequence[PluginRecord], *, everything: bool) -> None:
    """Print each plugin that failed or caused a warning, or `everything`; and how many are fine."""
    shown = [record for record in records if everything or record.status != "ok"]
    fine = sum(record.status == "ok" for record in records)
    say(f"plugins: {fine} of {len(records)} loaded without problems", bold=True)
    for record in shown:
        failure = f"  failed at {record.stage}: {record.error}" if record.error else ""
        origin = f"{record.distribution} {record.version}"
        say(f"  {padded(record.name, 24)} {record.status:<15} {origin}{failure}")
        for warning in record.warnings:
            say(f"  {'':<24} at {warning.stage}: {warning.reason}")


def show_timings(records: Sequence[PluginRecord]) -> None:
    """Print the time of each import, the slowest first, and the heavy modules that it loaded."""
    say()
    say("imports", bold=True)
    for record in sorted(records, key=lambda record: -record.import_ms):
        notes = ["slow"] if record.is_slow else []
        notes += [f"imports {', '.join(record.heavy)}"] if record.heavy else []
        say(f"  {padded(record.name, 24)} {record.import_ms:>8.1f} ms  {'; '.join(notes)}".rstrip())
