"""Probabilities and predictions of a run as one HDF5 file, for anyone's own meta-analysis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from stackkit.compare import FoldOutcome

FILE_NAME = "probabilities.h5"


class ProbabilityFile:
    """A file that grows fold by fold; trouble with the disk costs this file and nothing else."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self.is_whole = True
        self._say = say

    def begin(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64],
        classes: Sequence[str],
        backbones: Sequence[str],
        learner: str,
    ) -> None:
        """Write what all folds share: row i is image `ids[i]` with label `labels[i]`."""

        def write(file: h5py.File) -> None:
            file.attrs["learner"] = learner
            file.attrs["backbones"] = list(backbones)
            file["sample_ids"], file["labels"], file["classes"] = list(ids), labels, list(classes)

        self._attempt(write)

    def add(self, outcome: FoldOutcome) -> None:
        """One more fold: its rows, out-of-fold and held-out probabilities, and every prediction."""

        def write(file: h5py.File) -> None:
            group = file.create_group(f"fold_{outcome.number}")
            group["train_rows"], group["test_rows"] = outcome.fold.train, outcome.fold.test
            if outcome.stacked is not None:
                group["test"] = outcome.stacked.test
                if outcome.stacked.out_of_fold is not None:
                    group["out_of_fold"] = outcome.stacked.out_of_fold
            for number, (row, answers) in enumerate(zip(outcome.rows, outcome.answers, strict=True)):
                predicted = group.create_dataset(f"predicted/{number:03}", data=answers.labels)
                predicted.attrs["classifier"] = row.choice.text
                predicted.attrs["backbones"] = [features.label for features in row.on]

        self._attempt(write)

    def _attempt(self, write: Callable[[h5py.File], None]) -> None:
        if not self.is_whole:
            return
        try:
            with h5py.File(self.path, "a") as file:
                write(file)
        except (OSError, RuntimeError) as error:
            self.is_whole = False
            self._say(f"{FILE_NAME} cannot be written ({error}); the run goes on without it")


@contextmanager
def probability_file(
    folder: Path | None, say: Callable[[str], None]
) -> Iterator[ProbabilityFile | None]:
    """`probabilities.h5` in a run's folder, written aside and renamed if the block succeeds."""
    if folder is None:
        yield None
        return
    aside = folder / f".{FILE_NAME}.{os.getpid()}"
    aside.unlink(missing_ok=True)
    file = ProbabilityFile(aside, say)
    try:
        yield file
        if file.is_whole:
            aside.replace(folder / FILE_NAME)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
