"""Write what every classifier predicts for every image as predictions.csv, to read with pandas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.comparison import FoldOutcome
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.table_row import TableRow
from stackkit.report.report import PREDICTIONS
from stackkit.utils.csv_rows import csv_line
from stackkit.utils.files import atomic_write

Column: TypeAlias = tuple[NDArray[np.int64], NDArray[np.floating] | None]
"""Predicted labels, and their probabilities if the classifier gave any: two (n_test,) arrays."""


class Predictions:
    """What was predicted in each fold, collected while a run goes on.

    Probabilities are those that learners and baselines give: nothing is fitted for this file.
    """

    def __init__(self) -> None:
        self._ids: Sequence[str] = ()
        self._labels: Sequence[int] = ()
        self._classes: Sequence[str] = ()
        self._folds_per_repeat = 1
        self._rows: Sequence[TableRow] = ()
        self._folds: dict[int, tuple[Fold, list[Column]]] = {}

    def begin(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64],
        classes: Sequence[str],
        folds_per_repeat: int,
    ) -> None:
        """Set what all folds share: row i is image `ids[i]` with label `labels[i]`."""
        self._ids, self._labels, self._classes = ids, labels.tolist(), classes
        self._folds_per_repeat = folds_per_repeat

    def add(self, outcome: FoldOutcome) -> None:
        """Keep the predictions of a fold."""
        self._rows = outcome.rows
        self._folds[outcome.number] = outcome.fold, list(map(_column, outcome.results))

    def write(self, folder: Path) -> None:
        """Write predictions.csv, or remove an older one if that fails: it would belong to another run.

        Raises
        ------
        OSError
            If the file cannot be written.

        """
        target = folder / PREDICTIONS
        try:
            with (
                atomic_write(target) as temporary,
                # An id is a file name, which may hold bytes that are not UTF-8.
                temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
            ):
                file.writelines(map(csv_line, self._table()))
        except OSError:
            with suppress(OSError):
                target.unlink(missing_ok=True)
            raise

    def _table(self) -> Iterator[list[object]]:
        titles = (
            f"{title}: {word}" for title in _titles(self._rows) for word in ("prediction", "probability")
        )
        yield ["id", "label", "repeat", "fold", *titles]
        for number, (fold, columns) in sorted(self._folds.items()):
            repeat, within = divmod(number, self._folds_per_repeat)
            for i, row in enumerate(fold.test.tolist()):
                predictions = [cell for column in columns for cell in self._cells(column, i)]
                label = self._classes[self._labels[row]]
                yield [self._ids[row], label, repeat + 1, within + 1, *predictions]

    def _cells(self, column: Column, i: int) -> tuple[str, str]:
        labels, probabilities = column
        return (
            self._classes[int(labels[i])],
            "" if probabilities is None else str(float(probabilities[i])),
        )


def _column(result: FitResult) -> Column:
    if result.probabilities is None:
        return result.labels, None
    return result.labels, result.probabilities[np.arange(len(result.labels)), result.labels]


def _titles(rows: Sequence[TableRow]) -> list[str]:
    """Return an unambiguous title per row of the table, such as "logistic on resnet50"."""
    titles = [row.title for row in rows]
    counts = Counter(titles)
    return [
        f"{title} ({row.kind})" if counts[title] > 1 else title
        for title, row in zip(titles, rows, strict=True)
    ]
