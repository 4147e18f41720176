"""Read the table: what each row says about one image."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from stackkit.api import BoundingBox, DatasetError
from stackkit_plugins.csv_table.parquet_file import read_parquet
from stackkit_plugins.csv_table.records import EXPECTED, KNOWN, NEEDED, refuse
from stackkit_plugins.csv_table.text_file import read_text
from stackkit_plugins.shared.image_lists.names import SPLIT_WORDS, one_form, split_of
from stackkit_plugins.shared.storage.locations import is_url, secret_in
from stackkit_plugins.shared.storage.remote_path import Location

_PARQUET = {".parquet", ".pq"}
_BOX = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image of the table.

    Attributes
    ----------
    where : str
        "line 7" of a CSV file, "row 6" of a Parquet file.
    path : str
        As in the table, with "/" between folders.
    label : str
        In Unicode form NFC.
    split : {"train", "val", "test"} or None
    group : str or None
    box : BoundingBox or None

    """

    where: str
    path: str
    label: str
    split: str | None
    group: str | None
    box: BoundingBox | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All rows in their order, and the names of columns that are not used."""

    rows: tuple[Row, ...]
    unused: tuple[str, ...]


def read_table(file: Location, encoding: str) -> Table:
    """Read the table; raises DatasetError with file and line if it is invalid."""
    is_parquet = file.suffix.lower() in _PARQUET
    records = read_parquet(file) if is_parquet else read_text(file, encoding)
    rows = _Rows(file)
    found = tuple(rows.row(where, record) for where, record in records.rows)
    if not found:
        raise DatasetError(f"{file} lists no images; add rows with {EXPECTED}")
    unused = tuple(name or "(without a name)" for name in records.columns if name not in KNOWN)
    return Table(rows=found, unused=unused)


class _Rows:
    """Checks the records of one file, one after the other."""

    def __init__(self, file: Location) -> None:
        self._file = file
        self._word_of: dict[str, tuple[str, str]] = {}

    def row(self, where: str, record: Mapping[str, str]) -> Row:
        for name in record:
            text = record[name]
            if not text.isprintable() or not (text or name not in NEEDED):
                refuse(self._file, where, f"{name} must be one line of text, got {text!r}")
        path = record["path"]
        if is_url(path) and (secret := secret_in(path)):  # before any message shows the path
            refuse(self._file, where, f"path must not contain {secret}; reports would show it")
        if "\\" in path and "/" not in path:  # written on Windows
            path = path.replace("\\", "/")
        return Row(
            where=where,
            # "./a.png" and "a.png" are one image, but "//" of a URL must stay.
            path=path if is_url(path) else PurePosixPath(path).as_posix(),
            label=one_form(record["label"]),
            split=self._split(where, record.get("split", "")),
            group=one_form(record.get("group", "")) or None,
            box=self._box(where, record.get("box", "")),
        )

    def _split(self, where: str, word: str) -> str | None:
        if not word:
            return None
        split = split_of(word)
        if split is None:
            refuse(
                self._file, where, f"split must be empty or one of these: {SPLIT_WORDS}; got {word!r}"
            )
        first, before = self._word_of.setdefault(split, (word.casefold(), where))
        if first != word.casefold():
            # A table with "test" and "eval" may mean two parts, which one figure would hide.
            refuse(
                self._file,
                where,
                f"split {word!r} means {split}, as does {first!r} on {before}; use one word",
            )
        return split

    def _box(self, where: str, text: str) -> BoundingBox | None:
        if not text:
            return None
        try:
            x, y, width, height = map(float, _BOX.split(text.strip("[]() \t")))
        except ValueError:
            refuse(
                self._file,
                where,
                f"box must be four numbers in pixels or empty, as in '60 27 325 304' (left, top, width, "
                f"height), got {text!r}",
            )
        if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
            refuse(self._file, where, f"width and height of a box must be > 0, got {text!r}")
        return x, y, width, height
