"""Read records from a CSV file; errors name the line."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import Any

from stackkit.api import DatasetError, UsageError
from stackkit_plugins.csv_table.records import EXPECTED, KNOWN, NEEDED, Records, check_columns, refuse
from stackkit_plugins.shared.storage.remote_path import Location

_DELIMITERS = ",;\t|"
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, which say how a file is encoded: Excel writes all three."""


def read_text(file: Location, encoding: str) -> Records:
    """Return the records of a CSV file with commas, semicolons, tabs or bars.

    Raises
    ------
    DatasetError
        If the file cannot be read or decoded, or has other columns. Iterating raises it for a line that
        is not valid CSV or has another number of fields.
    UsageError
        If the encoding is unknown.

    """
    lines = io.StringIO(_decoded(file, encoding), newline="")
    header = lines.readline()
    lines.seek(0)
    reader = csv.reader(lines, delimiter=_delimiter(header), strict=True)
    records = _records(file, reader)
    columns = tuple(name.strip().lower() for name in next(records, []))
    check_columns(file, "line 1", columns)
    return Records(columns=columns, rows=_rows(file, reader, records, columns))


def _decoded(file: Location, encoding: str) -> str:
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError):  # unknown, or no encoding of text
        raise UsageError(
            f"encoding={encoding} is unknown; use for example utf-8, utf-16, cp1252 or latin-1"
        ) from None
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error}); check its path and permissions") from error
    used = next((name for mark, name in _MARKS.items() if content.startswith(mark)), encoding)
    try:
        return content.decode(used)
    except UnicodeError as error:
        line = 1 + content.count(b"\n", 0, getattr(error, "start", 0))
        refuse(
            file,
            f"line {line}",
            f"not {used} text ({error}); save the file as UTF-8, or pass encoding=, such as "
            "encoding=cp1252 for tables from Excel on Windows",
        )


def _delimiter(header: str) -> str:
    """Return the delimiter with which the first line has the needed columns."""
    for delimiter in _DELIMITERS:
        names = {name.strip(' "\r\n').lower() for name in header.split(delimiter)}
        if set(NEEDED) <= names:
            return delimiter
    return ","


def _records(file: Location, reader: Any) -> Iterator[list[str]]:
    try:
        yield from (fields for fields in reader if any(map(str.strip, fields)))
    except csv.Error as error:
        refuse(file, f"line {reader.line_num}", f"not valid CSV ({error}); check quotes and commas")


def _rows(
    file: Location, reader: Any, records: Iterator[list[str]], columns: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, str]]]:
    for fields in records:
        where = f"line {reader.line_num}"
        if len(fields) != len(columns):
            refuse(
                file,
                where,
                f"expected {len(columns)} fields as in line 1 ({EXPECTED}), got {len(fields)}; put "
                "quotes around a text with the delimiter in it",
            )
        named = zip(columns, fields, strict=True)
        yield where, {name: text.strip() for name, text in named if name in KNOWN}
