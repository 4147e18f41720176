"""Complete the results of a table with what its outcomes say, and score what it is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.metrics import Result, best_single, score, with_gain_intervals
from stackkit.evaluation.outcomes import Certainty, Outcomes
from stackkit.evaluation.references import LARGEST_CLASS, reference_names
from stackkit.evaluation.uncertainty import weights_of
from stackkit.statistics.scores import calibration_error, mean_log_loss, top_k

TOP = 5
"""The true class counts if it is among so many most probable ones."""


def completed(results: Sequence[Result], outcomes: Outcomes) -> list[Result]:
    """Add to each result the figures of its ranks and probabilities.

    Parameters
    ----------
    results : sequence of Result
        The rows of the table, or the first ones of `outcomes.rows`.
    outcomes : Outcomes
        What was predicted.

    Returns
    -------
    list of Result
        In the same order.

    """
    return [_completed(result, outcomes, number) for number, result in enumerate(results)]


def references(
    comparison: Comparison, outcomes: Outcomes, results: Sequence[Result]
) -> tuple[Result, ...]:
    """Score the references, whose outcomes follow those of the table's rows.

    Parameters
    ----------
    comparison : Comparison
        What was run.
    outcomes : Outcomes
        What was predicted.
    results : sequence of Result
        The rows of the table.

    """
    rows, n_rows = comparison.fit_plan.rows, len(comparison.fit_plan.rows)
    learners = [row for row in rows if row.kind == "learner"]
    folds, found = _folds(outcomes), []
    groups = None if outcomes.groups is None else outcomes.groups[outcomes.image]
    for number, name in enumerate(reference_names(rows), start=n_rows):
        fed = [] if name == LARGEST_CLASS else learners
        labels = dict.fromkeys(row.classifier.label for row in fed)
        features = {id(one): one for row in fed for one in row.features}.values()
        predicted = outcomes.rows[number].predicted.astype(np.int64)
        result = score(
            name,
            "reference",
            [one.label for one in features],
            [(predicted[fold], outcomes.true[fold]) for fold in folds],
            untrained=not all(one.trained for one in features),
            converged=all(result.converged for result in results if fed and result.kind == "learner"),
            learners=list(labels),
            images=outcomes.image[np.concatenate(folds)],
            groups=None if groups is None else groups[np.concatenate(folds)],
        )
        found.append(_completed(result, outcomes, number))
    best = best_single(results)
    (place,) = (number for number, result in enumerate(results) if result is best)
    compared = (place, *range(n_rows, n_rows + len(found)))
    rights = [outcomes.rows[number].predicted == outcomes.true for number in compared]
    return tuple(with_gain_intervals([best, *found], rights, outcomes.image, groups)[1:])


def _folds(outcomes: Outcomes) -> list[NDArray[np.int64]]:
    """Return the places of the predictions of each fold, in the order of the folds."""
    _, number = np.unique(np.stack([outcomes.repeat, outcomes.fold]), axis=1, return_inverse=True)
    return [np.flatnonzero(number == each) for each in range(number.max() + 1)]


def _completed(result: Result, outcomes: Outcomes, number: int) -> Result:
    said = outcomes.rows[number]
    correct = said.predicted == outcomes.true
    # Five classes of five are always right.
    rank = said.rank if len(outcomes.classes) > TOP else None
    weights = weights_of(outcomes.image)
    loss, ece = _of_certainty(said.raw, correct, weights)
    calibrated_loss, calibrated_ece = _of_certainty(said.calibrated, correct, weights)
    return replace(
        result,
        top_5=None if rank is None else top_k(rank, TOP, weights),
        log_loss=loss,
        ece=ece,
        calibrated_log_loss=calibrated_loss,
        calibrated_ece=calibrated_ece,
    )


def _of_certainty(
    certainty: Certainty | None, correct: NDArray[np.bool_], weights: NDArray[np.float64] | None
) -> tuple[float | None, float | None]:
    """Return log-loss and expected calibration error."""
    if certainty is None:
        return None, None
    loss = mean_log_loss(certainty.of_true.astype(np.float64), weights)
    return loss, calibration_error(certainty.of_predicted.astype(np.float64), correct, weights)
