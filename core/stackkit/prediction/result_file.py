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

MADE_WITH = "made_with"
"""Column that says which model and settings a row comes from: rows of others must not get mixed."""


class ResultFile:
    """An open file of results, as CSV or as lines of JSON by its ending.

    A row is written whole before the next image is looked at. What a killed process left of a row is
    removed when the file is opened again, and its image counts as not done.

    Parameters
    ----------
    file : FileIO
        Open for reading and writing.
    columns : sequence of str
        Names of the columns of CSV.
    made_with : str
        The model and the settings that rows depend on; see `made_with`.
    as_csv : bool
        Whether rows are CSV, and not lines of JSON.

    Attributes
    ----------
    done : mapping of str to bool
        The sources of all rows, and whether the image could be read.

    """

    def __init__(self, file: FileIO, columns: Sequence[str], made_with: str, *, as_csv: bool) -> None:
        self._file, self._columns, self._as_csv = file, [*columns, MADE_WITH], as_csv
        self._made_with = made_with
        self.done = dict(self._read())

    def write(self, result: Result, target: str | None) -> None:
        """Append a row."""
        made_with = {MADE_WITH: self._made_with}
        if self._as_csv:
            line = csv_line(map((row(result, target) | made_with).get, self._columns))
        else:
            line = json.dumps(made_with | document(result, target)) + "\n"
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
        end, start = 0, self._start().encode()
        with open(os.dup(self._file.fileno()), "rb") as lines:  # noqa: PTH123 - a descriptor
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    # Something else must stay as it is, although it is a single line without an end.
                    if number == 1 and not (line.startswith(start) or start.startswith(line)):
                        raise self._refused(number)
                    break
                end += len(line)
                if number > 1 or not self._as_csv:
                    yield self._parsed(line, number)
                elif self._cells(line) != self._columns:
                    raise self._refused(number)
        self._file.truncate(end)
        self._file.seek(end)
        if not end and self._as_csv:
            self._append(csv_line(self._columns))

    def _start(self) -> str:
        """Return what every file of results with these rows begins with."""
        if self._as_csv:
            return csv_line(self._columns).removesuffix("\n")
        return json.dumps({MADE_WITH: self._made_with}).removesuffix("}") + ", "

    def _parsed(self, line: bytes, number: int) -> tuple[str, bool]:
        """Return the entry of `done` for a line; raise UsageError if it is something else."""
        try:
            if self._as_csv:
                found = dict(zip(self._columns, self._cells(line) or (), strict=True))
                is_known = not found["error"]
            else:
                found = json.loads(line.decode("utf-8"))
                is_known = "error" not in found
            source, made_with = found["source"], found[MADE_WITH]
        except (ValueError, KeyError, TypeError):
            raise self._refused(number) from None
        if made_with != self._made_with:
            raise self._refused(
                number, f"was made with {made_with!r:.200}, and this command makes {self._made_with!r}"
            )
        if not isinstance(source, str):
            raise self._refused(number)
        return source, is_known

    @staticmethod
    def _cells(line: bytes) -> list[str] | None:
        try:
            return next(csv.reader([line.decode("utf-8")], strict=True))
        except (ValueError, StopIteration, csv.Error):
            return None

    def _refused(
        self, number: int, reason: str = "is no result of this command with the same --top"
    ) -> UsageError:
        name = os.fsdecode(self._file.name)
        return UsageError(f"--resume {name}: line {number} {reason}; give another file")


def made_with(sha256: str, top: int, least: float | None, *, is_sorting: bool = False) -> str:
    """Return what identifies the rows of a model with some settings.

    Parameters
    ----------
    sha256 : str
        Identifies the model, as `stackkit show` prints it; "" if it is in no file.
    top : int
        How many of the most probable classes a row has.
    least : float or None
        The probability from which labels are accepted; None if all are.
    is_sorting : bool
        Whether images are put into folders: those that count as done would never be.

    """
    threshold = "" if least is None else f" from {least:.6g}"
    return f"model {sha256[:12]} top {top}{threshold}{' sorted' if is_sorting else ''}"


@contextmanager
def result_file(path: Path, columns: Sequence[str], made_with: str) -> Iterator[ResultFile]:
    """Open a file of results, or create it; see `ResultFile`.

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
            yield ResultFile(file, columns, made_with, as_csv=path.suffix.lower() == ".csv")
    except BlockingIOError as error:
        raise StackkitError(f"{path} is being written by another process; wait for it") from error
    except BrokenPipeError:  # of another output
        raise
    except OSError as error:
        raise StackkitError(f"{path} cannot be written: {error.strerror or error}") from error
