"""What every row of the table is measured against, and that costs no fit: chance, and the plain mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.classifiers import gives_probabilities
from stackkit.evaluation.comparison import FoldOutcome
from stackkit.evaluation.table_row import TableRow

LARGEST_CLASS = "largest class"
"""Always answers the class with most training images of the fold; the first one of equals."""

PLAIN_MEAN = "plain mean"
"""Answers the class with the highest mean probability of all base learners."""

_SAME_AS_PLAIN_MEAN = "soft-vote"


def reference_names(rows: Sequence[TableRow]) -> tuple[str, ...]:
    """Return the references of a table.

    Parameters
    ----------
    rows : sequence of TableRow
        The rows of the table.

    Returns
    -------
    tuple of str
        `LARGEST_CLASS`, and `PLAIN_MEAN` if there are several base learners, all of them give
        probabilities, and no row of the table is the same.

    """
    learners = [row for row in rows if row.kind == "learner"]
    averaged = len(learners) > 1 and all(gives_probabilities(row.classifier) for row in learners)
    voted = any(row.classifier.component.spec.name == _SAME_AS_PLAIN_MEAN for row in rows)
    return (LARGEST_CLASS, PLAIN_MEAN) if averaged and not voted else (LARGEST_CLASS,)


def largest_class(labels: NDArray[np.int64]) -> int:
    """Return the class with most of the labels (n_train,); the first one of equals."""
    return int(np.bincount(labels).argmax())


def mean_probabilities(outcome: FoldOutcome) -> NDArray[np.float64] | None:
    """Return the mean of the base learners' probabilities of the test rows, (n_test, n_classes).

    None if there are no base learners, or one of them gives no probabilities.
    """
    found = [
        result.probabilities
        for row, result in zip(outcome.rows, outcome.results, strict=True)
        if row.kind == "learner"
    ]
    known = [each for each in found if each is not None]
    if not found or len(known) < len(found):
        return None
    # In the precision that the learners answered in, as soft-vote.
    mean: NDArray[np.float64] = np.mean(known, axis=0).astype(np.float64)
    return mean
