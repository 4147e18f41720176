"""Multinomial logistic regression from small batches of rows, for more rows than fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import StoredRows
from stackkit_plugins.shared.linear_learners.class_statistics import class_weights
from stackkit_plugins.shared.linear_learners.softmax import SoftmaxClassifier
from stackkit_plugins.shared.linear_learners.stored import PORTION_BYTES, RowsInMemory
from stackkit_plugins.shared.softmax import softmax

Array = NDArray[np.float32]

LEAST_STEPS = 2000
"""Steps that few rows need to come near the minimum; with many rows, `LEAST_EPOCHS` are more."""
LEAST_EPOCHS = 3

SMALLEST_BATCH, LARGEST_BATCH = 64, 1024
"""Rows of a step: few rows need many steps, and many rows are faster in large matrix products."""

RATE = 3e-3
"""Length of the first steps in each coefficient, for features with a root mean square of 1."""

NEIGHBOURS = 4
"""Rows that are read together: single ones would take longer, and more would often be of one class."""


class MinibatchLogistic(SoftmaxClassifier):
    """Logistic regression by Adam, with steps that shrink to nothing.

    Parameters
    ----------
    C : float
        Inverse of the regularisation strength, as in scikit-learn's ``LogisticRegression``.
    epochs : int or "auto"
        How often every row is used; "auto": 3 times, or until there were 2,000 steps.
    class_weight : {"balanced"} or None
        "balanced": weight rows by the inverse frequency of their class.
    seed : int
        Decides the order of the rows.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features), float32
    intercept_ : ndarray of shape (n_classes,), float32
    classes_ : ndarray of shape (n_classes,)
    factor_ : float
        1: scores are not scaled.

    Notes
    -----
    It minimises what ``LogisticRegression(C=C)`` does, and comes near the minimum without seeing more
    than a portion of rows at a time. scikit-learn's ``SGDClassifier`` has one machine for each class,
    which is slow with many classes and less well calibrated; its ``MLPClassifier`` without hidden layers
    is the same model, but goes on after Ctrl-C and has no weights of rows before version 1.7.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        epochs: int | str = "auto",
        class_weight: str | None = None,
        seed: int = 0,
    ) -> None:
        self.C = C
        self.epochs = epochs
        self.class_weight = class_weight
        self.seed = seed

    def fit(self, X: NDArray[np.floating], y: NDArray[np.int64]) -> Self:
        """Fit to X (n_samples, n_features) and y (n_samples,)."""
        return self.fit_stored(RowsInMemory(X.astype(np.float32, copy=False), y))

    def fit_stored(self, rows: StoredRows) -> Self:
        """Fit to rows that are read in random portions, once for each epoch."""
        codes = self._number_classes(rows.labels)
        n, k = len(codes), len(self.classes_)
        weights = class_weights(np.bincount(codes), self.class_weight).astype(np.float32)
        batch = min(LARGEST_BATCH, max(SMALLEST_BATCH, n // LEAST_STEPS))
        steps = self._steps(n, batch)
        # The last row has the intercepts.
        minimiser = _Adam(np.zeros((rows.n_features + 1, k), dtype=np.float32), steps)
        decay = np.float32(1 / (self.C * n))
        for X, labels in _batches(rows, codes, batch, steps, np.random.default_rng(self.seed)):
            if not minimiser.step:
                minimiser.rate = RATE / (float(np.sqrt(np.square(X).mean())) or 1.0)
            minimiser.move(_gradient(minimiser.point, X, labels, weights, decay))
        self.coef_ = np.ascontiguousarray(minimiser.point[:-1].T)
        self.intercept_ = minimiser.point[-1].copy()
        self.factor_ = 1.0
        return self

    def _steps(self, n: int, batch: int) -> int:
        each = -(-n // batch)
        if self.epochs == "auto":
            return max(LEAST_STEPS, LEAST_EPOCHS * each)
        return int(self.epochs) * each

    def decision_function(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_samples, n_features) -> logarithms of probabilities up to a constant, (n_samples, k)."""
        scores: NDArray[np.float64] = X @ self.coef_.T + self.intercept_
        return scores


class _Adam:
    """Adam's moving averages, and a rate that falls to 0 along a line within `steps` steps."""

    def __init__(self, point: Array, steps: int) -> None:
        self.point, self.steps, self.step, self.rate = point, steps, 0, RATE
        self.mean, self.square = np.zeros_like(point), np.zeros_like(point)

    def move(self, gradient: Array) -> None:
        """Take one step; `gradient` has the shape of `point` and is overwritten."""
        rate = self.rate * (1 - self.step / self.steps)
        self.step += 1
        self.mean += np.float32(0.1) * (gradient - self.mean)
        np.square(gradient, out=gradient)
        self.square += np.float32(0.001) * (gradient - self.square)
        np.sqrt(self.square, out=gradient)
        # The averages begin at 0, which these factors make up for.
        gradient *= np.float32(1 / np.sqrt(1 - 0.999**self.step))
        gradient += np.float32(1e-8)
        np.divide(self.mean, gradient, out=gradient)
        self.point -= np.float32(rate / (1 - 0.9**self.step)) * gradient


def _gradient(
    point: Array, X: Array, codes: NDArray[np.int64], weights: Array, decay: np.float32
) -> Array:
    errors = softmax(X @ point[:-1] + point[-1])
    errors[np.arange(len(codes)), codes] -= 1
    errors *= weights[codes, None] / np.float32(len(codes))
    gradient = np.empty_like(point)
    np.matmul(X.T, errors, out=gradient[:-1])
    gradient[:-1] += decay * point[:-1]
    gradient[-1] = errors.sum(axis=0)
    return gradient


def _batches(
    rows: StoredRows,
    codes: NDArray[np.int64],
    batch: int,
    steps: int,
    random: np.random.Generator,
) -> Iterator[tuple[Array, NDArray[np.int64]]]:
    """Yield so many batches of rows with their classes, every row once before any comes again."""
    size = max(batch, PORTION_BYTES // (4 * rows.n_features))
    done = 0
    while True:
        for numbers in _portions(len(codes), size, random):
            X = rows.read(np.sort(numbers))
            labels = codes[np.sort(numbers)]
            order = random.permutation(len(numbers))
            for start in range(0, len(order), batch):
                some = order[start : start + batch]
                yield X[some], labels[some]
                done += 1
                if done == steps:
                    return


def _portions(n: int, size: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers of n rows in random portions of `size`, made of runs of neighbours."""
    runs = random.permutation(-(-n // NEIGHBOURS))
    together = max(1, size // NEIGHBOURS)
    for start in range(0, len(runs), together):
        first = runs[start : start + together, None] * NEIGHBOURS
        numbers = (first + np.arange(NEIGHBOURS)).ravel()
        yield numbers[numbers < n]
