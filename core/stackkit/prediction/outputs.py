"""Write results as they come: to a stream as JSON, lines of JSON or CSV, or to a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from stackkit.api.dataset import FailedImage
from stackkit.api.errors import StackkitError, UsageError
from stackkit.prediction.rows import Result, document, row
from stackkit.utils.csv_rows import csv_line
from stackkit.utils.files import atomic_write

ROWS = 4096
"""Rows of a Parquet file that are in memory at a time."""


class Output(Protocol):
    """Receives results one by one."""

    def write(self, result: Result, target: str | None) -> None:
        """Write a result, and where the image was put."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write what is known at the end only, where the format has a place for it."""


class JsonLines:
    """One JSON object per line, written at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, result: Result, target: str | None) -> None:
        """Write a line."""
        self._stream.write(json.dumps(document(result, target)) + "\n")
        self._stream.flush()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Do nothing: each line describes an image."""


class Json:
    """One JSON document, whose list `predictions` is written element by element."""

    def __init__(self, stream: TextIO, head: Mapping[str, Any]) -> None:
        self._stream = stream
        self._failed = list[dict[str, Any]]()
        self._separator = "\n"
        text = json.dumps(head, indent=2).removesuffix("\n}")
        self._stream.write(f'{text},\n  "predictions": [')

    def write(self, result: Result, target: str | None) -> None:
        """Write a record; failures are kept for the end."""
        found = document(result, target)
        if isinstance(result, FailedImage):
            self._failed.append(found)
            return
        self._stream.write(f"{self._separator}    {json.dumps(found)}")
        self._separator = ",\n"

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the failures and the summary."""
        text = json.dumps({"failed": self._failed, "summary": summary}, indent=2).removeprefix("{\n")
        self._stream.write(f"\n  ],\n{text}\n")
        self._stream.flush()


class Csv:
    """A CSV table, written row by row."""

    def __init__(self, stream: TextIO, columns: Sequence[str]) -> None:
        self._stream, self._columns = stream, columns
        self._stream.write(csv_line(columns))

    def write(self, result: Result, target: str | None) -> None:
        """Write a row."""
        self._stream.write(csv_line(map(row(result, target).get, self._columns)))
        self._stream.flush()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Do nothing: each row describes an image."""


class Parquet:
    """A Parquet file, written some thousand rows at a time; see `parquet_file`."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa, self._rows = pa, list[dict[str, Any]]()
        self._schema = pa.schema([(name, _arrow_type(pa, name)) for name in columns])
        self._writer = pq.ParquetWriter(path, self._schema)

    def write(self, result: Result, target: str | None) -> None:
        """Keep a row, and write all that are kept when there are many."""
        self._rows.append(row(result, target))
        if len(self._rows) >= ROWS:
            self._flush()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write what is left and complete the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()


@contextmanager
def parquet_file(path: Path, columns: Sequence[str], *, overwrite: bool) -> Iterator[Parquet]:
    """Yield the output of a new Parquet file; if the block fails, there is no file.

    Raises
    ------
    UsageError
        If the file exists and may not be replaced.
    StackkitError
        If pyarrow is missing, or the file cannot be written.

    """
    if path.exists() and not overwrite:
        raise UsageError(f"--parquet {path} exists; --overwrite replaces it")
    try:
        import pyarrow  # noqa: F401 - optional
    except ImportError:
        raise UsageError("--parquet needs pyarrow; run: pip install 'stackkit[parquet]'") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            yield Parquet(temporary, columns)
    except BrokenPipeError:  # of another output
        raise
    except OSError as error:
        raise StackkitError(f"{path} cannot be written: {error.strerror or error}") from error


def _arrow_type(pa: Any, name: str) -> Any:
    if name in {"accepted", "novel"}:
        return pa.bool_()
    return pa.float64() if name == "novelty" or name.endswith("probability") else pa.string()
