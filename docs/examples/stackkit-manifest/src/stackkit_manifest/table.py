"""Read a manifest line by line, and name the line of whatever cannot be meant."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

from stackkit.api import BoundingBox, DatasetError

_NEEDED = ("path", "label")
_BOX = ("x", "y", "w", "h")
_KNOWN = (*_NEEDED, "split", *_BOX)
_WANTED = "path,label and, if you like, split and x,y,w,h"
_SPLITS = {
    "": None,
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image as its line says; `split` is stackkit's word."""

    line: int
    path: str
    label: str
    split: str | None
    box: BoundingBox | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All rows in their order, and the columns that nobody reads."""

    rows: tuple[Row, ...]
    unread: tuple[str, ...]


def read_manifest(file: Path) -> Manifest:
    """Read the table; raises DatasetError with file and line."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return _Reader(file, stream).manifest()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error}); check its path and permissions") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} is no UTF-8 text ({error}); save it as UTF-8") from error


def refuse(file: Path, line: int, found: str) -> NoReturn:
    """Raise the DatasetError of a line."""
    raise DatasetError(f"{file}, line {line}: {found}")


class _Reader:
    """One pass over the lines of a file."""

    def __init__(self, file: Path, stream: TextIO) -> None:
        first = stream.readline()
        stream.seek(0)
        self.file = file
        self.lines = csv.reader(stream, delimiter="\t" if "\t" in first else ",", strict=True)

    def manifest(self) -> Manifest:
        records = self._records()
        columns = [name.strip().lower() for name in next(records, [])]
        self._check_columns(columns)
        rows = []
        for fields in records:
            if len(fields) != len(columns):
                self._refuse(f"{len(columns)} fields are wanted, as in line 1, and {len(fields)} came")
            rows.append(self._row(dict(zip(columns, map(str.strip, fields), strict=True))))
        if not rows:
            raise DatasetError(f"{self.file} lists no image; a line of {_WANTED} each is wanted")
        return Manifest(rows=tuple(rows), unread=tuple(name for name in columns if name not in _KNOWN))

    def _records(self) -> Iterator[list[str]]:
        try:
            yield from (fields for fields in self.lines if any(map(str.strip, fields)))
        except csv.Error as error:
            self._refuse(f"no CSV ({error})")

    def _check_columns(self, columns: Sequence[str]) -> None:
        if not set(_NEEDED) <= set(columns):
            refuse(self.file, 1, f"names of columns are wanted, {_WANTED}; {','.join(columns)!r} came")
        known = [name for name in columns if name in _KNOWN]
        if len(set(known)) < len(known):
            refuse(self.file, 1, f"a column stands there twice: {','.join(columns)}")
        if 0 < len(set(_BOX) & set(columns)) < len(_BOX):
            refuse(self.file, 1, f"a box is the four columns x,y,w,h; {','.join(columns)!r} came")

    def _row(self, row: dict[str, str]) -> Row:
        for name in _NEEDED:
            if not row[name].isprintable() or not row[name]:
                self._refuse(f"{name} is {row[name]!r}; one line of text is wanted")
        split = row.get("split", "").lower()
        if split not in _SPLITS:
            self._refuse(f"split is {row['split']!r}; train, val, test or nothing is wanted")
        return Row(
            line=self.lines.line_num,
            path=row["path"],
            label=row["label"],
            split=_SPLITS[split],
            box=self._box([row.get(name, "") for name in _BOX]),
        )

    def _box(self, texts: Sequence[str]) -> BoundingBox | None:
        if not any(texts):
            return None
        try:
            x, y, width, height = map(float, texts)
        except ValueError:
            self._refuse(f"the box is {','.join(texts)!r}; four numbers, or none, are wanted")
        if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
            self._refuse(f"the box is {','.join(texts)!r}; a width and height above 0 are wanted")
        return x, y, width, height

    def _refuse(self, found: str) -> NoReturn:
        refuse(self.file, self.lines.line_num, found)
