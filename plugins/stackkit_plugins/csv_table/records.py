"""A table as records of text, wherever it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from stackkit.api import DatasetError
from stackkit_plugins.shared.storage.remote_path import Location

NEEDED = ("path", "label")
KNOWN = (*NEEDED, "split", "group", "box")
EXPECTED = "path and label, optionally split, group and box"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The records of a table.

    Attributes
    ----------
    columns : tuple of str
        The names of all columns, stripped and in lower case.
    rows : iterable of (str, dict)
        Where a record is, such as "line 7", and its text in each known column, stripped.

    """

    columns: tuple[str, ...]
    rows: Iterable[tuple[str, dict[str, str]]]


def refuse(file: Location, where: str, found: str) -> NoReturn:
    """Raise a DatasetError about a place in the file."""
    raise DatasetError(f"{file}, {where}: {found}")


def check_columns(file: Location, where: str, columns: tuple[str, ...]) -> None:
    """Refuse a table without the needed columns, or with a known one twice; raises DatasetError."""
    shown = ",".join(columns)[:200]
    if not set(NEEDED) <= set(columns):
        refuse(file, where, f"expected columns {EXPECTED}, got {shown!r}")
    known = [name for name in columns if name in KNOWN]
    if len(set(known)) < len(known):
        refuse(file, where, f"column names must be unique, got {shown!r}")
