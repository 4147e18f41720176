"""What several aggregators do with probabilities, so that all of them do it alike."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

FLOOR = 1e-15
"""Logarithms are taken of at least this much, so that a learner's 0 is no veto without limit.

Float32 can hold it, and scikit-learn's `log_loss` long had the same one.
"""

_ROWS_AT_ONCE = 1024


def logarithms(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 logarithms of probabilities of any shape, none below that of `FLOOR`."""
    logs: NDArray[np.float64] = np.maximum(probabilities, FLOOR, dtype=np.float64)
    return np.log(logs, out=logs)


def of_labels(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n_learners, n, n_classes) -> (n_learners, n): what each learner gave the truth, or `FLOOR`."""
    given: NDArray[np.float64] = np.maximum(
        probabilities[:, np.arange(len(labels)), labels], FLOOR, dtype=np.float64
    )
    return given


def themselves(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """A float64 copy."""
    return probabilities.astype(np.float64)


def sum_over_learners(
    probabilities: NDArray[np.floating],
    terms: Callable[[NDArray[np.floating]], NDArray[np.float64]] = themselves,
) -> NDArray[np.float64]:
    """(n_learners, n, n_classes) -> (n, n_classes): the sum of what `terms` makes of each learner.

    Terms are added in ascending order, so that neither the order of learners nor rounding
    decides between classes that have equal terms. `terms` is handed some rows at a time, and
    returns an array of its own.
    """
    _, n, n_classes = probabilities.shape
    total = np.empty((n, n_classes))
    for rows in gen_batches(n, _ROWS_AT_ONCE):
        some = terms(probabilities[:, rows])
        some.sort(axis=0)
        some.sum(axis=0, out=total[rows])
    return total


def weighted_sum(
    probabilities: NDArray[np.floating], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n_learners, n, n_classes), (n_learners,) -> (n, n_classes)."""
    return sum_over_learners(probabilities, lambda some: some * weights[:, None, None])


def likeliest(scores: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, n_classes) scores -> (n,) labels among `classes`; the first of equals wins."""
    labels: NDArray[np.int64] = classes[scores[:, classes].argmax(axis=1)]
    return labels


def order_of_learners(probabilities: NDArray[np.floating]) -> list[int]:
    """An order of learners that depends on what they say, not on how they are listed.

    Fits add over learners and break ties between them; in this order they do so alike.
    """
    digests = [blake2b(learner.tobytes()).digest() for learner in probabilities]
    return sorted(range(len(digests)), key=digests.__getitem__)
