"""A file of results that grows row by row, so that labelling a large folder goes on where it stopped."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from stackkit.api.errors import StackkitError, UsageError
from stackkit.prediction.rows import Result, document, row
from stackkit.store.locks import lock
from stackkit.utils.csv_rows import csv_line

ENDINGS = (".csv", ".jsonl")


class ResultFile:
    """An open file of results, as CSV or as lines of JSON by its ending.

    A row is written whole before the next image is looked at. What a killed process left of a row is
    removed when the file is opened again, and its image counts as not done.

    Attributes
    ----------
    done : mapping of str to bool
        The sources of all rows, and whether the image could be read.

    """

    def __init__(self, file: FileIO, columns: Sequence[str], *, as_csv: bool) -> None:
        self._file, self._columns, self._as_csv = file, columns, as_csv
        self.done = dict(self._read())

    def write(self, result: Result, target: str | None) -> None:
        """Append a row."""
        if self._as_csv:
            line = csv_line(map(row(result, target).get, self._columns))
        else:
            line = json.dumps(document(result, target)) + "\n"
        self._append(line)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Do nothing: each row describes an image."""

    def key(self, source: str) -> str:
        """Return the text in `done` for a source."""
        # A text that a spreadsheet would take for a formula is another one in CSV.
        return next(csv.reader([csv_line([source])]))[0] if self._as_csv else source

    def _append(self, line: str) -> None:
        data = memoryview(line.encode("utf-8", "backslashreplace"))
        while data:  # a write to a disk that is nearly full may be partial
            data = data[self._file.write(data) :]

    def _read(self) -> Iterator[tuple[str, bool]]:
        """Yield what `done` has; remove a row that is not complete, and begin a new file."""
        name, end, number = self._file.name, 0, 0
        with open(os.dup(self._file.fileno()), "rb") as lines:  # noqa: PTH123 - a descriptor
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                found = self._parsed(line, number)
                if found is None:
                    raise UsageError(
                        f"--resume {os.fsdecode(name)}: line {number} is no result of this command with "
                        "the same model and the same --top; give another file"
                    )
                if number > 1 or not self._as_csv:
                    yield found
        self._file.truncate(end)
        self._file.seek(end)
        if not end and self._as_csv:
            self._append(csv_line(self._columns))

    def _parsed(self, line: bytes, number: int) -> tuple[str, bool] | None:
        """Return the entry of `done` for a line, any for the header; None if it is something else."""
        try:
            text = line.decode("utf-8")
            if self._as_csv:
                cells = next(csv.reader([text], strict=True))
                if number == 1:
                    return ("", True) if cells == list(self._columns) else None
                values = dict(zip(self._columns, cells, strict=True))
                return values["source"], not values["error"]
            found = json.loads(text)
            source, is_known = found["source"], "error" not in found
        except (ValueError, KeyError, TypeError, StopIteration, csv.Error):
            return None
        return (source, is_known) if isinstance(source, str) else None


@contextmanager
def result_file(path: Path, columns: Sequence[str]) -> Iterator[ResultFile]:
    """Open a file of results, or create it.

    Raises
    ------
    UsageError
        If its ending is none of `ENDINGS`, or it holds something else.
    StackkitError
        If it cannot be written, or another process is writing it.

    """
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"--resume must be a .csv or .jsonl file, got {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        with FileIO(path, "r+", opener=lambda *_: descriptor) as file:
            lock(file)
            yield ResultFile(file, columns, as_csv=path.suffix.lower() == ".csv")
    except BlockingIOError as error:
        raise StackkitError(f"{path} is being written by another process; wait for it") from error
    except BrokenPipeError:  # of another output
        raise
    except OSError as error:
        raise StackkitError(f"{path} cannot be written: {error.strerror or error}") from error
