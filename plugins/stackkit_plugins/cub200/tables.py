"""Read the small text tables of CUB-200-2011, with errors that name file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from stackkit.api import DatasetError
from stackkit_plugins.shared.storage.remote_path import Location

ID = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table: an id and the text that follows it."""

    file: Location
    line: int
    id: int
    value: str

    def refuse(self, reason: str) -> NoReturn:
        """Raise DatasetError that names this line."""
        raise DatasetError(f"{self.file}, line {self.line}: {reason}; unpack the dataset again")


Table = Mapping[int, Row]


def read_table(file: Location, *, expected: str) -> Table:
    """Read the lines `id value` of a file.

    Parameters
    ----------
    file : Path or RemotePath
        The table to read.
    expected : str
        What a line should look like, for messages.

    Returns
    -------
    dict of int to Row
        By id, in the order of the file.

    Raises
    ------
    DatasetError
        If the file is missing, unreadable or empty, or has a malformed line or the same id twice.

    """
    rows: dict[int, Row] = {}
    for number, line in enumerate(_lines(file), start=1):
        row = _row(file, number, line, expected)
        if row.id in rows:
            row.refuse(f"id {row.id} is already on line {rows[row.id].line}")
        rows[row.id] = row
    if not rows:
        raise DatasetError(f"{file} is empty, expected lines of {expected!r}; unpack the dataset again")
    return rows


def check_same_ids(table: Table, images: Table) -> None:
    """Raise DatasetError unless `table` has exactly one line for every image."""
    for row in table.values():
        if row.id not in images:
            row.refuse(f"image id {row.id} is not one of the {len(images)} in images.txt")
    for image in images.values():
        if image.id not in table:
            last = list(table.values())[-1]
            last.refuse(
                f"the file ends after {len(table)} lines, but images.txt has {len(images)}; "
                f"image {image.id} is the first without a line"
            )


def ends_midline(file: Location) -> bool:
    """Return whether the last line has no newline, as in a file that was cut short."""
    return not file.read_bytes().endswith(b"\n")


def _lines(file: Location) -> Iterator[str]:
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise DatasetError(f"{file}, line {line}: not UTF-8 text; unpack the dataset again") from error
    except FileNotFoundError as error:
        raise DatasetError(
            f"{file.parent} has no {file.name}; point root= at the unpacked CUB_200_2011 folder"
        ) from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error}; check root=") from error
    text = text.rstrip("\r\n")
    return iter(text.split("\n") if text else ())


def _row(file: Location, number: int, line: str, expected: str) -> Row:
    key, _, value = line.rstrip("\r").partition(" ")
    row = Row(file=file, line=number, id=int(key) if ID.fullmatch(key) else -1, value=value.strip())
    if row.id < 0 or not row.value or not row.value.isprintable():
        row.refuse(f"expected {expected!r}, got {line[:80]!r}")
    return row
