"""Collect what every row of the table says about every image, fold by fold, as `Outcomes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stackkit.api.onnx_nodes import TINY
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.outcomes import Certainty, Outcomes, RowOutcome
from stackkit.evaluation.references import (
    PLAIN_MEAN,
    largest_class,
    mean_probabilities,
    reference_names,
)
from stackkit.statistics.calibration import Calibration, fit_calibration

MAX_NUMBERS = 100_000_000
"""Most float64 numbers that are kept for calibration, or for the mean probabilities: 800 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What one row of the table says about the n test images of one fold.

    `scores`, of shape (n, n_classes), wait for the other folds of the repeat, to be calibrated;
    `calibration` was found within the training rows, if there are no other folds.
    """

    outcome: RowOutcome
    scores: NDArray[np.float64] | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What all rows say about a fold, and whose class training rows have too, `known`."""

    test: NDArray[np.int64]
    labels: NDArray[np.int64]
    known: NDArray[np.bool_]
    said: Sequence[_Said]


class OutcomeCollector:
    """Takes the outcomes of the folds of a comparison as they are complete, in any order.

    Of the scores, only those of repeats that are not complete are kept, until they are calibrated.

    Parameters
    ----------
    comparison : Comparison
        What is run.
    max_numbers : int
        See `MAX_NUMBERS`.

    Attributes
    ----------
    too_large : bool
        Whether calibrated probabilities are left out, because they would take too much memory.

    """

    def __init__(self, comparison: Comparison, max_numbers: int = MAX_NUMBERS) -> None:
        plan = comparison.fit_plan
        self._plan, self._folds = plan, comparison.folds
        self._n_folds = len(comparison.folds) // comparison.repeats
        self._references = reference_names(plan.rows)
        self._parts: dict[int, _Part] = {}
        tested = sum(len(fold.test) for fold in comparison.folds[: self._n_folds])
        n_rows = len(plan.rows) + len(self._references)
        self.too_large = tested * plan.n_classes * n_rows > max_numbers
        self._mean: NDArray[np.float32] | None = None
        self._keeps_mean = len(plan.labels) * plan.n_classes <= max_numbers

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the outcomes, a sentence or two each."""
        if not self.too_large:
            return ()
        return (
            "Calibrated probabilities are not computed: those of all rows of the table together would "
            f"take more than {MAX_NUMBERS * 8 / 1e6:,.0f} MB of memory.",
        )

    def add(self, outcome: FoldOutcome) -> None:
        """Take the outcome of a fold."""
        plan, fold = self._plan, outcome.fold
        labels, mean = plan.labels[fold.test], mean_probabilities(outcome)
        answers = [_answers(result) for result in outcome.results]
        largest = np.full(len(labels), largest_class(plan.labels[fold.train]))
        answers.append((largest, None, False))
        if PLAIN_MEAN in self._references:
            assert mean is not None, "reference_names says so"
            answers.append((mean.argmax(axis=1), _logarithms(mean), True))
        inside = self._calibrations(outcome)
        said = [
            _Said(
                outcome=_row_outcome(predicted, scores, labels, probabilistic=probabilistic),
                scores=None if self.too_large else scores,
                calibration=inside.get(number),
            )
            for number, (predicted, scores, probabilistic) in enumerate(answers)
        ]
        known = np.isin(labels, plan.labels[fold.train])
        self._parts[outcome.number] = _Part(test=fold.test, labels=labels, known=known, said=said)
        if mean is not None and outcome.number < self._n_folds and self._keeps_mean:
            self._keep_mean(fold.test, mean)
        if len(self._folds) > 1:  # else see `outcomes`
            self._finish(outcome.number // self._n_folds)

    def _keep_mean(self, rows: NDArray[np.int64], mean: NDArray[np.float64]) -> None:
        if self._mean is None:
            shape = (len(self._plan.labels), self._plan.n_classes)
            self._mean = np.full(shape, np.nan, dtype=np.float32)
        self._mean[rows] = mean

    def _calibrations(self, outcome: FoldOutcome) -> dict[int, Calibration]:
        """Return temperatures that out-of-fold probabilities of the training rows give, by row.

        They stand in for other folds where there are none, and cost no fit.
        """
        probabilities = outcome.probabilities
        if self._n_folds > 1 or probabilities is None or probabilities.out_of_fold is None:
            return {}
        informed = np.setdiff1d(np.arange(len(outcome.fold.train)), outcome.planned.uninformed)
        labels = self._plan.labels[outcome.fold.train][informed]
        learners = [number for number, row in enumerate(outcome.rows) if row.kind == "learner"]
        known = dict(zip(learners, probabilities.out_of_fold, strict=True))
        if PLAIN_MEAN in self._references:
            place = len(outcome.rows) + self._references.index(PLAIN_MEAN)
            known[place] = probabilities.out_of_fold.mean(axis=0)
        return {
            number: fit_calibration(_logarithms(found[informed]), labels)
            for number, found in known.items()
        }

    def _use(self, calibrations: Mapping[int, Calibration]) -> None:
        said = list(self._parts[0].said)
        for number, calibration in calibrations.items():
            said[number] = replace(said[number], calibration=calibration)
        self._parts[0] = replace(self._parts[0], said=said)

    def _finish(self, repeat: int) -> None:
        """Calibrate a repeat once all of its folds are there, and forget its scores."""
        numbers = range(repeat * self._n_folds, (repeat + 1) * self._n_folds)
        if self.too_large or not all(number in self._parts for number in numbers):
            return
        parts = [self._parts[number] for number in numbers]
        for number, own in zip(numbers, parts, strict=True):
            others = [part for part in parts if part is not own]
            said = [_calibrated(row, own, others) for row in range(len(own.said))]
            self._parts[number] = replace(own, said=said)

    def outcomes(
        self,
        ids: Sequence[str],
        fingerprints: Sequence[str],
        classes: Sequence[str],
        calibrations: Mapping[int, Calibration] | None = None,
    ) -> Outcomes:
        """Return everything that was collected.

        Parameters
        ----------
        ids, fingerprints : sequence of str
            Of each row of the fit plan.
        classes : sequence of str
            Class names.
        calibrations : mapping of int to Calibration, or None
            Temperatures of rows of the table, found within the training rows; for a single fold.

        """
        if len(self._folds) == 1:
            self._use(calibrations or {})
            self._finish(0)
        folds = self._folds
        used = np.unique(np.concatenate([rows for each in folds for rows in (each.train, each.test)]))
        numbers = sorted(self._parts)
        parts = [self._parts[number] for number in numbers]
        sizes = [len(part.test) for part in parts]
        tested = np.concatenate([part.test for part in parts])
        fold, repeat = (
            np.repeat(np.array(which, dtype=np.int64), sizes)
            for which in (
                [number % self._n_folds for number in numbers],
                [number // self._n_folds for number in numbers],
            )
        )
        order = np.lexsort([tested, repeat])
        groups = self._plan.groups
        return Outcomes(
            ids=[ids[row] for row in used.tolist()],
            fingerprints=[fingerprints[row] for row in used.tolist()],
            labels=self._plan.labels[used],
            groups=None if groups is None else groups[used],
            classes=list(classes),
            image=np.searchsorted(used, tested[order]),
            fold=fold[order],
            repeat=repeat[order],
            rows=[_joined([p.said[n].outcome for p in parts], order) for n in range(len(parts[0].said))],
            mean_probabilities=None if self._mean is None else self._mean[used],
        )


_Answers = tuple[NDArray[np.int64], NDArray[np.float64] | None, bool]
"""Predicted labels, scores if there are any, and whether these are logarithms of probabilities."""


def _logarithms(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities.astype(np.float64), TINY))


def _answers(result: FitResult) -> _Answers:
    if result.probabilities is not None:
        return result.labels, _logarithms(result.probabilities), True
    return result.labels, result.scores, result.probabilistic


def _row_outcome(
    predicted: NDArray[np.int64],
    scores: NDArray[np.float64] | None,
    labels: NDArray[np.int64],
    *,
    probabilistic: bool,
) -> RowOutcome:
    if scores is None:
        return RowOutcome(predicted=predicted.astype(np.int32))
    of_true = scores[np.arange(len(labels)), labels]
    return RowOutcome(
        predicted=predicted.astype(np.int32),
        rank=(scores > of_true[:, None]).sum(axis=1, dtype=np.int32),
        raw=_certainty(np.exp(scores), predicted, labels) if probabilistic else None,
    )


def _certainty(
    probabilities: NDArray[np.float64], predicted: NDArray[np.integer], labels: NDArray[np.int64]
) -> Certainty:
    each = np.arange(len(labels))
    return Certainty(
        of_true=probabilities[each, labels].astype(np.float32),
        of_predicted=probabilities[each, predicted].astype(np.float32),
    )


def _calibrated(row: int, own: _Part, others: Sequence[_Part]) -> _Said:
    """Return what a row says about a fold, with a temperature that was found on other folds."""
    said = own.said[row]
    if said.scores is None:
        return said
    calibration = _found_on(row, others) if others else said.calibration
    if calibration is None:
        return _Said(outcome=said.outcome)
    probabilities = calibration.probabilities(said.scores)
    certainty = _certainty(probabilities, said.outcome.predicted, own.labels)
    return _Said(outcome=replace(said.outcome, calibrated=certainty))


def _found_on(row: int, parts: Sequence[_Part]) -> Calibration | None:
    """Return the temperature of a row for some folds, or None if it gives no scores for one of them.

    Images of classes that the training rows did not have are left out, unless there are no others: the
    classifier could only be wrong, which says nothing of how certain it should be elsewhere.
    """
    scores = [part.said[row].scores for part in parts]
    known = np.concatenate([part.known for part in parts])
    present = [each for each in scores if each is not None]
    if len(present) < len(scores):
        return None
    taken = known if known.any() else ~known
    labels = np.concatenate([part.labels for part in parts])
    return fit_calibration(np.concatenate(present)[taken], labels[taken])


def _joined(parts: Sequence[RowOutcome], order: NDArray[np.int64]) -> RowOutcome:
    """Join the folds of a row; what one of them does not have, the row does not have."""
    ranks = [part.rank for part in parts if part.rank is not None]
    return RowOutcome(
        predicted=np.concatenate([part.predicted for part in parts])[order],
        rank=np.concatenate(ranks)[order] if len(ranks) == len(parts) else None,
        raw=_joined_certainty([part.raw for part in parts], order),
        calibrated=_joined_certainty([part.calibrated for part in parts], order),
    )


def _joined_certainty(parts: Sequence[Certainty | None], order: NDArray[np.int64]) -> Certainty | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Certainty(
        of_true=np.concatenate([part.of_true for part in known])[order],
        of_predicted=np.concatenate([part.of_predicted for part in known])[order],
    )
