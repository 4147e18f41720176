"""Read a manifest; errors name the line."""

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
_EXPECTED = "path,label and optionally split and x,y,w,h"
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
    """One line of the table; `split` is train, val, test or None."""

    line: int
    path: str
    label: str
    split: str | None
    box: BoundingBox | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All rows in their order, and the columns that are not used."""

    rows: tuple[Row, ...]
    unread: tuple[str, ...]


def read_manifest(file: Path) -> Manifest:
    """Read the table; raise DatasetError with file and line if it is invalid."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return _Reader(file, stream).manifest()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error}); check its path and permissions") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} is not UTF-8 text ({error}); save it as UTF-8") from error


def refuse(file: Path, line: int, found: str) -> NoReturn:
    """Raise a DatasetError about a line."""
    raise DatasetError(f"{file}, line {line}: {found}")


class _Reader:
    """Reads the lines of a file once."""

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
                self._refuse(f"expected {len(columns)} fields as in line 1, got {len(fields)}")
            rows.append(self._row(dict(zip(columns, map(str.strip, fields), strict=True))))
        if not rows:
            raise DatasetError(f"{self.file} lists no images; add lines of {_EXPECTED}")
        return Manifest(rows=tuple(rows), unread=tuple(name for name in columns if name not in _KNOWN))

    def _records(self) -> Iterator[list[str]]:
        try:
            yield from (fields for fields in self.lines if any(map(str.strip, fields)))
        except csv.Error as error:
            self._refuse(f"not valid CSV ({error})")

    def _check_columns(self, columns: Sequence[str]) -> None:
        if not set(_NEEDED) <= set(columns):
            refuse(self.file, 1, f"expected column names {_EXPECTED}, got {','.join(columns)!r}")
        known = [name for name in columns if name in _KNOWN]
        if len(set(known)) < len(known):
            refuse(self.file, 1, f"column names must be unique, got {','.join(columns)!r}")
        if 0 < len(set(_BOX) & set(columns)) < len(_BOX):
            refuse(self.file, 1, f"a box needs the four columns x,y,w,h, got {','.join(columns)!r}")

    def _row(self, row: dict[str, str]) -> Row:
        for name in _NEEDED:
            if not row[name].isprintable() or not row[name]:
                self._refuse(f"{name} must be one line of text, got {row[name]!r}")
        split = row.get("split", "").lower()
        if split not in _SPLITS:
            self._refuse(f"split must be train, val, test or empty, got {row['split']!r}")
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
            self._refuse(f"a box must be four numbers or empty, got {','.join(texts)!r}")
        if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
            self._refuse(f"width and height of a box must be > 0, got {','.join(texts)!r}")
        return x, y, width, height

    def _refuse(self, found: str) -> NoReturn:
        refuse(self.file, self.lines.line_num, found)
