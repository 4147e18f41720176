"""Read records from a Parquet file; errors name the row."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stackkit.api import DatasetError
from stackkit_plugins.csv_table.records import KNOWN, Records, check_columns
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath


def read_parquet(file: Location) -> Records:
    """Return the records of a Parquet file. Values become text; a list of numbers stays a box.

    Raises
    ------
    DatasetError
        If pyarrow is not installed, or the file cannot be read or has other columns.

    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DatasetError(
            f"{file} is a Parquet file, which needs pyarrow; run: pip install 'stackkit[parquet]'"
        ) from error
    try:
        stored = pq.ParquetFile(_opened(file))
        names = list(stored.schema_arrow.names)
        columns = tuple(name.strip().lower() for name in names)
        check_columns(file, "columns", columns)
        used = {name.strip().lower(): name for name in names if name.strip().lower() in KNOWN}
        values = stored.read(columns=list(used.values())).to_pydict()
    except (OSError, ValueError) as error:  # pyarrow's own errors are subclasses of these
        reason = " ".join(str(error).split())
        raise DatasetError(f"{file} cannot be read as Parquet ({reason}); write it again") from error
    rows = _rows({column: values[name] for column, name in used.items()})
    return Records(columns=columns, rows=rows)


def _opened(file: Location) -> Path | io.BytesIO:
    if not isinstance(file, RemotePath):
        return file
    try:
        return io.BytesIO(file.read_bytes())
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error}); check its path and permissions") from error


def _rows(values: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    for number, record in enumerate(zip(*values.values(), strict=True), start=1):
        yield f"row {number}", dict(zip(values, map(_text, record), strict=True))


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN, as pandas writes a missing text
        return ""
    if isinstance(value, list):
        return " ".join("" if each is None else str(each) for each in value)
    if isinstance(value, dict):
        return " ".join(str(each) for each in value.values())
    return str(value).strip()
