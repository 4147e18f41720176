"""Arithmetic on class probabilities, so that all aggregators floor, add and break ties alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-15
"""Smallest probability that a logarithm is taken of, so that one learner's 0 is not an absolute veto.

float32 can represent it, and it was the default `eps` of scikit-learn's `log_loss` for years.
"""

_CHUNK_ROWS = 1024


def batches(n: int) -> Iterator[slice]:
    """Yield slices that cover n rows, up to 1,024 rows each."""
    for start in range(0, n, _CHUNK_ROWS):
        yield slice(start, min(start + _CHUNK_ROWS, n))


def log_probabilities(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the logarithms of probabilities of any shape, each at least `log(FLOOR)`."""
    logs: NDArray[np.float64] = np.maximum(probabilities, FLOOR, dtype=np.float64)
    return np.log(logs, out=logs)


def true_class_probabilities(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the probability that each learner gave to each sample's true class.

    Parameters
    ----------
    probabilities : ndarray of shape (n_learners, n_samples, n_classes)
        Of the base learners.
    labels : ndarray of shape (n_samples,)
        Columns of `probabilities`.

    Returns
    -------
    ndarray of shape (n_learners, n_samples), float64
        Each value is at least `FLOOR`.

    """
    given: NDArray[np.float64] = np.maximum(
        probabilities[:, np.arange(len(labels)), labels], FLOOR, dtype=np.float64
    )
    return given


def as_float64(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a float64 copy."""
    return probabilities.astype(np.float64)


def sum_over_learners(
    probabilities: NDArray[np.floating],
    term: Callable[[NDArray[np.floating]], NDArray[np.float64]] = as_float64,
) -> NDArray[np.float64]:
    """Sum one term per learner, independently of the learners' order.

    Parameters
    ----------
    probabilities : ndarray of shape (n_learners, n_samples, n_classes)
        Of the base learners.
    term : callable
        Maps a chunk of shape (n_learners, rows, n_classes) to a new float64 array of the same
        shape, which is then modified in place.

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float64

    """
    _, n, n_classes = probabilities.shape
    total = np.empty((n, n_classes))
    for rows in batches(n):  # bounds the size of the temporary array
        terms = term(probabilities[:, rows])
        # Floating-point addition is not associative: in another order the last bit can differ and
        # break a tie between classes the other way. Sorting gives one order for every permutation.
        terms.sort(axis=0)
        terms.sum(axis=0, out=total[rows])
    return total


def weighted_sum(
    probabilities: NDArray[np.floating], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum over learners with (n_learners,) weights; see `sum_over_learners` for the shapes."""
    if len(probabilities) != len(weights):  # a single weight would multiply all learners
        raise ValueError(f"fitted on {len(weights)} learners, got probabilities of {len(probabilities)}")
    return sum_over_learners(probabilities, lambda chunk: chunk * weights[:, None, None])


def most_likely(scores: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the label with the highest score in each row; on a tie, the lowest label.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes)
        The higher, the more likely.
    classes : ndarray of shape (n_seen,)
        Labels that may be returned: the classes that had training samples.

    Returns
    -------
    ndarray of shape (n_samples,)

    """
    labels: NDArray[np.int64] = classes[scores[:, classes].argmax(axis=1)]
    return labels


def shares(
    scores: NDArray[np.float64], classes: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Turn non-negative scores into probabilities whose highest one belongs to the predicted label.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes), float64
        At least 0.
    classes : ndarray of shape (n_seen,)
        Classes that had training samples; the others get the probability 0.
    labels : ndarray of shape (n_samples,)
        What is predicted.

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float64
        Rows sum to 1.

    """
    found = np.zeros(scores.shape)
    found[:, classes] = scores[:, classes]
    sums = found.sum(axis=1, keepdims=True)
    # A row without any information, such as of learners that know none of the classes.
    known = np.zeros(scores.shape[1])
    known[classes] = 1 / len(classes)
    found = np.where(sums > 0, found / np.where(sums > 0, sums, 1), known)
    # Two scores that differ in their last digit may be equal as probabilities.
    rows = np.flatnonzero(found.argmax(axis=1) != labels)
    found[rows, labels[rows]] = np.nextafter(found[rows].max(axis=1), np.inf)
    return found


def row_weights(labels: NDArray[np.int64], class_weight: str | None) -> NDArray[np.float64] | None:
    """Return weights with a mean of 1 by which every class counts the same; None for equal weights.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Of the rows.
    class_weight : {"balanced"} or None
        What the weights are for; None for no weights.

    Returns
    -------
    ndarray of shape (n_samples,) or None
        As `sklearn.utils.class_weight.compute_sample_weight`.

    """
    if class_weight is None:
        return None
    from sklearn.utils import compute_sample_weight  # a restored aggregator predicts without it

    weights: NDArray[np.float64] = compute_sample_weight(class_weight, labels)
    return weights


def canonical_order(probabilities: NDArray[np.floating]) -> list[int]:
    """Return an order of the learners that depends on their probabilities alone.

    Iterative fits add over learners and break ties between them. Fitting in this order gives the
    same result however the backbones are listed.
    """
    digests = [blake2b(learner.tobytes()).digest() for learner in probabilities]
    return sorted(range(len(digests)), key=digests.__getitem__)
