"""Probabilities and predictions of a run as one HDF5 file, for anyone's own meta-analysis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.comparison import FoldOutcome
from stackkit.report.report import PROBABILITIES
from stackkit.store.locks import lock, remove_idle

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class _Sink(FileIO):
    """A new file for HDF5 to write to; a disk that fails is remembered and never shown to HDF5.

    HDF5 cannot close a file that it could not write, and may take the process with it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self._problem: OSError | None = None
        with suppress(OSError):
            lock(self)  # tells the next run that this is no leftover

    def write(self, data: Buffer, /) -> int:
        """All of it, or nothing any more once something failed."""
        view = memoryview(data).cast("B")
        done = 0
        with self._remembering():
            while done < len(view) and self._problem is None:
                done += super().write(view[done:])
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """To this size, or to nothing once something failed, which frees the disk for others."""
        with self._remembering():
            super().truncate(0 if self._problem else size)
        return size or 0

    def check(self) -> None:
        """Raise the OSError that something failed with."""
        if self._problem:
            raise self._problem

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._problem = self._problem or error


class ProbabilityFile:
    """A file that grows fold by fold; trouble with the disk costs this file and nothing else."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path = path
        self._say = say
        self._sink: _Sink | None = None
        self._file: h5py.File | None = None

    def begin(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64],
        classes: Sequence[str],
        backbones: Sequence[str],
        learner: str,
    ) -> None:
        """Write what all folds share: row i is image `ids[i]` with label `labels[i]`."""
        with self._giving_up():
            self._sink = _Sink(self._path)
            self._file = file = h5py.File(self._sink, "w")
            file.attrs["learner"] = learner
            file.attrs["backbones"] = list(backbones)
            file["sample_ids"], file["labels"], file["classes"] = list(ids), labels, list(classes)

    def add(self, outcome: FoldOutcome) -> None:
        """One more fold: its rows, out-of-fold and held-out probabilities, and every prediction."""
        if self._file is None:
            return
        with self._giving_up():
            group = self._file.create_group(f"fold_{outcome.number}")
            group["train_rows"], group["test_rows"] = outcome.fold.train, outcome.fold.test
            if stacked := outcome.stacked:
                for name in ("out_of_fold", "test", "test_averaged"):
                    if (probabilities := getattr(stacked, name)) is not None:
                        group[name] = probabilities
            for number, (row, answers) in enumerate(zip(outcome.rows, outcome.answers, strict=True)):
                predicted = group.create_dataset(f"predicted/{number:03}", data=answers.labels)
                predicted.attrs["classifier"] = row.choice.text
                predicted.attrs["backbones"] = [features.label for features in row.on]

    def finish(self, target: Path) -> None:
        """Rename it into place; if there is none, an earlier run's goes too, as its report does."""
        with self._giving_up():
            if self._file and self._sink:
                self._file.close()
                self._sink.check()
                self._path.replace(target)
                return
        with suppress(OSError):
            target.unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave nothing of it behind, if it is not in place."""
        for each in (self._file, self._sink):
            if each:
                each.close()
        if self._sink:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._file = self._sink = None

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
            if self._sink:
                self._sink.check()
        except OSError as error:
            self.discard()
            reason = error.strerror or error
            self._say(f"{PROBABILITIES} cannot be written ({reason}); the run goes on without it")


@contextmanager
def probability_file(
    folder: Path | None, say: Callable[[str], None]
) -> Iterator[ProbabilityFile | None]:
    """`probabilities.h5` in a run's folder, written aside and renamed if the block succeeds."""
    if folder is None:
        yield None
        return
    for leftover in folder.glob(f".{PROBABILITIES}.*"):
        remove_idle(leftover)
    file = ProbabilityFile(folder / f".{PROBABILITIES}.{os.getpid()}", say)
    try:
        yield file
        file.finish(folder / PROBABILITIES)
    finally:
        file.discard()
