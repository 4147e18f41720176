"""How well each class is recognised, and which classes are taken for each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stackkit.evaluation.outcomes import Outcomes
from stackkit.evidence.confusions import (
    ClassFigures,
    confused_pairs,
    confusion,
    examples,
    per_class,
)

FIRST_PAIRS = 6
"""Pairs that are visible at once; the rest is folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """A class with its name, its figures, its F1 score, and the name of the class it is taken for."""

    name: str
    figures: ClassFigures
    f1: float
    taken_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSide:
    """Images of a class that show why it is taken for another one.

    `mistaken` is their number in all; `images` are ids of a few, each with whether the answer about it
    is right.
    """

    name: str
    mistaken: float
    images: Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two classes that are taken for each other."""

    first: PairSide
    second: PairSide


def class_rows(outcomes: Outcomes, row: int) -> list[ClassRow]:
    """Return a row for each class that was tested, the worst first.

    Parameters
    ----------
    outcomes : Outcomes
        What was predicted.
    row : int
        The row of the results whose answers count.

    """
    tested = [each for each in per_class(confusion(outcomes, row)) if each.accuracy is not None]
    rows = [
        ClassRow(
            name=outcomes.classes[each.label],
            figures=each,
            f1=_f1(each),
            taken_for="" if each.taken_for is None else outcomes.classes[each.taken_for],
        )
        for each in tested
    ]
    return sorted(rows, key=lambda each: (each.figures.accuracy or 0.0, each.name))


def pairs(outcomes: Outcomes, row: int) -> list[Pair]:
    """Return the most confused pairs of classes with images of both.

    Parameters
    ----------
    outcomes, row
        As for `class_rows`.

    """
    return [
        Pair(
            first=_side(outcomes, row, each.first, each.second, each.first_as_second),
            second=_side(outcomes, row, each.second, each.first, each.second_as_first),
        )
        for each in confused_pairs(confusion(outcomes, row))
    ]


def _side(outcomes: Outcomes, row: int, label: int, other: int, mistaken: float) -> PairSide:
    wrong = outcomes.image[(outcomes.true == label) & (outcomes.rows[row].predicted == other)]
    mistakes = set(wrong.tolist())
    shown = examples(outcomes, row, label, other)
    return PairSide(
        name=outcomes.classes[label],
        mistaken=mistaken,
        images=[(outcomes.ids[each], each not in mistakes) for each in shown],
    )


def _f1(figures: ClassFigures) -> float:
    recall, precision = figures.accuracy or 0.0, figures.precision or 0.0
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0
