"""Read the small text tables of CUB-200-2011, each complaint with its file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from stackkit.api import DatasetError

ID = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table: an id and the text behind it."""

    file: Path
    line: int
    id: int
    value: str

    def refuse(self, reason: str) -> NoReturn:
        """Raise DatasetError that names this line."""
        raise DatasetError(f"{self.file}, line {self.line}: {reason}; unpack the dataset afresh")


Table = Mapping[int, Row]


def read_table(file: Path, *, wanted: str) -> Table:
    """The lines `id value` of a file by id, in their order; `wanted` says what a line holds."""
    rows: dict[int, Row] = {}
    for number, line in enumerate(_lines(file), start=1):
        row = _row(file, number, line, wanted)
        if row.id in rows:
            row.refuse(f"id {row.id} stands already on line {rows[row.id].line}")
        rows[row.id] = row
    if not rows:
        raise DatasetError(f"{file} is empty; lines of {wanted!r} are wanted; unpack the dataset afresh")
    return rows


def check_same_ids(table: Table, images: Table) -> None:
    """Raise DatasetError unless `table` has exactly one line for every image."""
    for row in table.values():
        if row.id not in images:
            row.refuse(f"image id {row.id} is not among the {len(images)} of images.txt")
    for image in images.values():
        if image.id not in table:
            last = list(table.values())[-1]
            last.refuse(
                f"the file ends with {len(table)} lines where images.txt has {len(images)}; "
                f"image {image.id} is the first without one"
            )


def ends_midline(file: Path) -> bool:
    """Whether the last line lacks its newline, as it does when a file was cut short."""
    return not file.read_bytes().endswith(b"\n")


def _lines(file: Path) -> Iterator[str]:
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise DatasetError(f"{file}, line {line}: not UTF-8 text; unpack the dataset afresh") from error
    except FileNotFoundError as error:
        raise DatasetError(
            f"{file.parent} has no {file.name}; point root= at the unpacked CUB_200_2011 folder"
        ) from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error}; check root=") from error
    text = text.rstrip("\r\n")
    return iter(text.split("\n") if text else ())


def _row(file: Path, number: int, line: str, wanted: str) -> Row:
    key, _, value = line.rstrip("\r").partition(" ")
    row = Row(file=file, line=number, id=int(key) if ID.fullmatch(key) else -1, value=value.strip())
    if row.id < 0 or not row.value or not row.value.isprintable():
        row.refuse(f"{wanted!r} is wanted, {line[:80]!r} came")
    return row
