"""How well each class is recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.outcomes import Outcomes
from stackkit.statistics.intervals import Interval, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """Figures of one class; shares are from 0 to 1.

    `recall` is the part of its images that are recognised, `precision` the part of the answers with its
    name that are right (None without such an answer). `mistaken_for` is the class that most of its
    images are taken for instead, and `mistakes` the number of these images.
    """

    name: str
    images: int
    recall: float
    interval_95: Interval
    precision: float | None
    f1: float
    mistaken_for: str
    mistakes: float


def class_rows(outcomes: Outcomes, row: int) -> list[ClassRow]:
    """Return a row for each class that was tested, the worst first.

    Parameters
    ----------
    outcomes : Outcomes
        What was predicted.
    row : int
        The row of the results whose answers count. Over repeats, each image counts once.

    """
    table = confusions(outcomes, row)
    sizes, answers = table.sum(axis=1), table.sum(axis=0)
    classes = [number for number in range(len(sizes)) if sizes[number] > 0]
    rows = [_class_row(outcomes.classes, table, sizes, answers, number) for number in classes]
    return sorted(rows, key=lambda each: (each.recall, each.name))


def confusions(outcomes: Outcomes, row: int) -> NDArray[np.float64]:
    """Return how many images of each class get each answer, (n_classes, n_classes) float64.

    Fractions if images are predicted in several repeats: each image counts once.
    """
    size = len(outcomes.classes)
    weights = 1 / np.bincount(outcomes.image, minlength=len(outcomes.ids)).clip(min=1)
    cells = outcomes.true * size + outcomes.rows[row].predicted
    table = np.bincount(cells, weights=weights[outcomes.image], minlength=size * size)
    return table.reshape(size, size)


def _class_row(
    names: Sequence[str],
    table: NDArray[np.float64],
    sizes: NDArray[np.float64],
    answers: NDArray[np.float64],
    number: int,
) -> ClassRow:
    images, hits = round(float(sizes[number])), float(table[number, number])
    wrong = table[number].copy()
    wrong[number] = 0
    other = int(wrong.argmax())
    return ClassRow(
        name=names[number],
        images=images,
        recall=hits / images,
        interval_95=wilson(min(hits, images), images),
        precision=hits / float(answers[number]) if answers[number] > 0 else None,
        f1=2 * hits / float(sizes[number] + answers[number]),
        mistaken_for=names[other] if wrong[other] > 0 else "",
        mistakes=float(wrong[other]),
    )
