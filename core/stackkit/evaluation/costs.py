"""Add up how long the fits of each row of the table took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from stackkit.api.aggregator import FitOn
from stackkit.evaluation.aggregator_fit import ProbabilityFit
from stackkit.evaluation.comparison import FoldOutcome
from stackkit.evaluation.fit import Fit
from stackkit.evaluation.fold_fits import FoldFits
from stackkit.evaluation.references import PLAIN_MEAN, reference_names


class FitSeconds:
    """The time of all fits that each row needs, over all folds; a fit counts for each of its rows.

    So a row's time is what it would take alone, and the rows together took less.
    """

    def __init__(self) -> None:
        self._by_row: list[float | None] = []

    def add(self, outcome: FoldOutcome) -> None:
        """Take the outcome of a fold."""
        found = [_seconds(outcome, fits) for fits in _needed(outcome)]
        before = self._by_row or [0.0] * len(found)
        self._by_row = [
            None if so_far is None or more is None else so_far + more
            for so_far, more in zip(before, found, strict=True)
        ]

    @property
    def seconds(self) -> Sequence[float | None]:
        """Seconds of each row, then of each reference; None if the time of a fit is unknown."""
        return self._by_row


def _seconds(outcome: FoldOutcome, fits: Iterable[Fit]) -> float | None:
    known = [outcome.by_fit[fit].seconds for fit in dict.fromkeys(fits)]
    measured = [each for each in known if each is not None]
    return sum(measured) if len(measured) == len(known) else None


def _needed(outcome: FoldOutcome) -> Iterator[Sequence[Fit]]:
    """Yield the fits that each row of the table needs, then those of each reference."""
    planned = outcome.planned
    for fits in (*planned.baselines, planned.learners):
        yield from ((fit,) for fit in fits)
    above = (fit for fit in outcome.by_fit if isinstance(fit, ProbabilityFit))
    for row in outcome.rows:
        if row.fit_on == "features":
            yield [planned.feature_fits[row.classifier.text, row.learners[0].text]]
        elif row.fit_on is not None:
            yield [*_below(planned, row.fit_on), next(above)]
    for name in reference_names(outcome.rows):
        yield list(planned.learners) if name == PLAIN_MEAN else []


def _below(planned: FoldFits, fit_on: FitOn) -> list[Fit]:
    # Where the learners of inner folds answer together, no other learners are needed.
    averaged = planned.average and fit_on == "out-of-fold"
    return [fit for each in planned.inner for fit in each] if averaged else [*planned.sources(fit_on)]
