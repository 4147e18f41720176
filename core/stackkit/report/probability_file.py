"""Write probabilities and predictions of a run to an HDF5 file, for analyses outside stackkit."""

from __future__ import annotations

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
from stackkit.utils.files import temporary_path

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class _DeferredErrorFile(FileIO):
    """A new file for HDF5 to write to, which remembers the first error instead of raising it.

    HDF5 cannot close a file that it failed to write, and may crash the process. So every write reports
    success to HDF5, and `check` raises the error afterwards.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self._problem: OSError | None = None
        with suppress(OSError):
            lock(self)  # shows other runs that this file is not a leftover

    def write(self, data: Buffer, /) -> int:
        """Write all data, or nothing after an earlier error; return the number of bytes of `data`."""
        view = memoryview(data).cast("B")
        done = 0
        with self._remember_error():
            while done < len(view) and self._problem is None:
                done += super().write(view[done:])  # a nearly full disk accepts only part of the data
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size; after an error to 0, which frees the disk for other files of the run."""
        with self._remember_error():
            super().truncate(0 if self._problem else size)
        return size or 0

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._problem:
            raise self._problem

    @contextmanager
    def _remember_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._problem = self._problem or error


class ProbabilityFile:
    """probabilities.h5, written fold by fold; an error of the disk costs this file and nothing else.

    Parameters
    ----------
    path : Path
        Where to write until `finish` renames the file.
    message : callable
        Called with one line if the file cannot be written.

    """

    def __init__(self, path: Path, message: Callable[[str], None]) -> None:
        self._path = path
        self._message = message
        self._raw: _DeferredErrorFile | None = None
        self._file: h5py.File | None = None

    def begin(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64],
        classes: Sequence[str],
        backbones: Sequence[str],
        learners: Sequence[str],
    ) -> None:
        """Write what all folds share: row i is image `ids[i]` with label `labels[i]`."""
        with self._give_up_on_error():
            self._raw = _DeferredErrorFile(self._path)
            self._file = file = h5py.File(self._raw, "w")
            file.attrs["learner"] = ", ".join(learners)
            file.attrs["backbones"] = list(backbones)
            # The first axis of all probabilities, in the order of `FitPlan.base_learners`.
            file.attrs["base_learners"] = [
                f"{learner} on {backbone}" for learner in learners for backbone in backbones
            ]
            file["sample_ids"], file["labels"], file["classes"] = list(ids), labels, list(classes)

    def add(self, outcome: FoldOutcome) -> None:
        """Append a fold: its rows, out-of-fold and test probabilities, and every classifier's labels."""
        if self._file is None:
            return
        with self._give_up_on_error():
            group = self._file.create_group(f"fold_{outcome.number}")
            group["train_rows"], group["test_rows"] = outcome.fold.train, outcome.fold.test
            if probabilities := outcome.probabilities:
                for name in ("out_of_fold", "test", "test_averaged"):
                    if (array := getattr(probabilities, name)) is not None:
                        group[name] = array
            for number, (row, result) in enumerate(zip(outcome.rows, outcome.results, strict=True)):
                predicted = group.create_dataset(f"predicted/{number:03}", data=result.labels)
                predicted.attrs["classifier"] = row.name
                predicted.attrs["backbones"] = [features.label for features in row.features]

    def finish(self, target: Path) -> None:
        """Rename the file to `target`.

        If writing it has failed, remove an older `target`: beside the new report it would mislead.
        """
        with self._give_up_on_error():
            if self._file and self._raw:
                self._file.close()
                self._raw.check()
                self._path.replace(target)
                return
        with suppress(OSError):
            target.unlink(missing_ok=True)

    def discard(self) -> None:
        """Close the file, and remove it unless it was renamed."""
        for each in (self._file, self._raw):  # in this order: HDF5 writes what is left when it closes
            if each:
                each.close()
        if self._raw:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._file = self._raw = None

    @contextmanager
    def _give_up_on_error(self) -> Iterator[None]:
        try:
            yield
            if self._raw:
                self._raw.check()
        except OSError as error:
            self.discard()
            reason = error.strerror or error
            self._message(f"{PROBABILITIES} cannot be written ({reason}); the run continues without it")


@contextmanager
def probability_file(
    folder: Path | None, message: Callable[[str], None]
) -> Iterator[ProbabilityFile | None]:
    """Yield a `ProbabilityFile` for a run's folder, and rename it into place if the block succeeds.

    Parameters
    ----------
    folder : Path or None
        The folder; None yields None.
    message : callable
        Called with one line if the file cannot be written.

    """
    if folder is None:
        yield None
        return
    for leftover in folder.glob(f".{PROBABILITIES}.*"):
        remove_idle(leftover)
    # Not `atomic_write`: an error of the disk must discard the file without failing the run, and the
    # file stays locked until it is closed, so that other runs do not remove it as a leftover.
    file = ProbabilityFile(temporary_path(folder / PROBABILITIES), message)
    try:
        yield file
        file.finish(folder / PROBABILITIES)
    finally:
        file.discard()
