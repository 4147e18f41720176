"""Compare rows that answered the same images, each with an interval, a test and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.metrics import Result
from stackkit.evaluation.outcomes import Outcomes
from stackkit.statistics.bootstrap import difference_interval
from stackkit.statistics.intervals import Interval
from stackkit.statistics.paired_tests import corrected_t, holm, mcnemar
from stackkit.verdicts.sentences import is_claimed, on_difference
from stackkit.verdicts.verdict import Verdict

MCNEMAR = "McNemar's test"

MCNEMAR_OF_GROUPS = "McNemar's test for groups"

CORRECTED_T = "corrected resampled t-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedFolds:
    """Accuracies in every fold of every repeat.

    Parameters
    ----------
    accuracy : ndarray of shape (n_folds, n_rows), float64
        In [0, 1].
    n_train, n_test : float
        Images that are trained on and tested in a fold; means if they differ.

    """

    accuracy: NDArray[np.float64]
    n_train: float
    n_test: float

    @classmethod
    def of(cls, rows: Sequence[Result], outcomes: Outcomes) -> RepeatedFolds:
        """Return those of rows of the table, which were measured in the folds of `outcomes`."""
        accuracy = np.array([row.fold_accuracy for row in rows]).T
        n_test = len(outcomes.image) / len(accuracy)
        return cls(accuracy=accuracy, n_train=len(outcomes.ids) - n_test, n_test=n_test)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAnswers:
    """What several rows answered about the same images.

    Parameters
    ----------
    titles : sequence of str
        Names of the rows in sentences.
    accuracy : sequence of float
        Their accuracies in the table.
    correct : ndarray of shape (n, n_rows), float64
        Share of right answers about each image.
    groups : ndarray of shape (n,), int64, or None
        Images with the same number belong together.
    folds : RepeatedFolds or None
        None without repeats, or where the rows were not measured in the same folds.

    """

    titles: Sequence[str]
    accuracy: Sequence[float]
    correct: NDArray[np.float64]
    groups: NDArray[np.int64] | None = None
    folds: RepeatedFolds | None = None
    _intervals: dict[tuple[int, int], Interval] = field(default_factory=dict, repr=False)
    """Those that were computed: many draws, and several families have the same pairs."""

    def verdicts(self, pairs: Sequence[tuple[int, int]]) -> tuple[Verdict, ...]:
        """Return a verdict on each pair of rows.

        Parameters
        ----------
        pairs : sequence of (int, int)
            One family of comparisons: Holm's correction counts all of them.

        """
        intervals = [self._interval(one, other) for one, other in pairs]
        ps = [self._p(one, other) for one, other in pairs]
        return tuple(
            self._verdict(pair, interval, p, float(p_holm), len(pairs))
            for pair, interval, p, p_holm in zip(pairs, intervals, ps, holm(ps), strict=True)
        )

    def pairs(self) -> list[tuple[int, int]]:
        """Return every pair of rows, the better one first."""
        order = sorted(range(len(self.accuracy)), key=lambda at: -self.accuracy[at])
        return list(combinations(order, 2))

    @property
    def test(self) -> str:
        """Name of the test."""
        if self.folds:
            return CORRECTED_T
        return MCNEMAR if self.groups is None else MCNEMAR_OF_GROUPS

    def _interval(self, one: int, other: int) -> Interval:
        if (other, one) in self._intervals:
            low, high = self._intervals[other, one]
            return -high, -low
        if (one, other) not in self._intervals:
            self._intervals[one, other] = difference_interval(
                self.correct[:, one], self.correct[:, other], groups=self.groups
            )
        return self._intervals[one, other]

    def _p(self, one: int, other: int) -> float:
        if self.folds:
            differences = self.folds.accuracy[:, one] - self.folds.accuracy[:, other]
            return corrected_t(differences, self.folds.n_train, self.folds.n_test)[1]
        return mcnemar(self.correct[:, one], self.correct[:, other], groups=self.groups)

    def _verdict(
        self,
        pair: tuple[int, int],
        interval: Interval,
        p: float,
        p_holm: float,
        comparisons: int,
    ) -> Verdict:
        one, other = pair
        difference = self.accuracy[one] - self.accuracy[other]
        return Verdict(
            first=one,
            second=other,
            difference=difference,
            interval_95=interval,
            p=p,
            p_holm=p_holm,
            test=self.test,
            claimed=is_claimed(interval, p_holm),
            sentence=on_difference(
                self.titles[one],
                self.titles[other],
                difference,
                interval,
                p_holm,
                self.test,
                comparisons,
            ),
        )
