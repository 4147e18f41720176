"""Linear classifiers that are already fitted, in NumPy alone, so that a saved model answers at once.

They do what scikit-learn's estimators do at prediction, operation by operation, and therefore predict
bit for bit the same. scikit-learn takes seconds to import, and nothing here needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit_plugins.shared.softmax import softmax

Array: TypeAlias = NDArray[np.floating]
Step: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedLinear:
    """A linear classifier with decision values and labels.

    Parameters
    ----------
    classes_ : ndarray of shape (n_classes,), int64
        Labels, ascending.
    coefficients : ndarray of shape (n_classes, d), or (1, d) for two classes
        In the memory layout of the fitted estimator, since matrix products round differently in others.
    intercepts : ndarray of shape (n_classes,) or (1,), or None
        None adds nothing.
    steps : tuple of callable
        What happens to (n, d) features before; each returns a new array.
    one_by_one : bool
        Whether each class has a product of its own, as in scikit-learn's `OneVsRestClassifier`.

    """

    classes_: NDArray[np.int64]
    coefficients: Array
    intercepts: Array | None
    steps: tuple[Step, ...] = ()
    one_by_one: bool = False

    def decision_function(self, X: Array) -> Array:
        """(n, d) -> (n, n_classes), or (n,) for a single row of coefficients."""
        d = self.coefficients.shape[1]
        if X.ndim != 2 or X.shape[1] != d:
            raise ValueError(f"expected features of shape (n, {d}), got {X.shape}")
        for step in self.steps:
            X = step(X)
        if self.one_by_one:
            rows = range(len(self.coefficients))
            scores = np.array([self._scores(X, slice(i, i + 1)).ravel() for i in rows]).T
        else:
            scores = self._scores(X, slice(None))
        return scores.ravel() if scores.shape[1] == 1 else scores

    def _scores(self, X: Array, rows: slice) -> Array:
        products: Array = X @ self.coefficients[rows].T
        return products if self.intercepts is None else products + self.intercepts[rows]

    def predict(self, X: Array) -> NDArray[np.int64]:
        """(n, d) -> (n,) labels."""
        scores = self.decision_function(X)
        columns = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        labels: NDArray[np.int64] = self.classes_[columns]
        return labels


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedProbabilities(FittedLinear):
    """A linear classifier with probabilities.

    Parameters
    ----------
    link : callable
        Turns decision values into (n, n_classes) probabilities.

    """

    link: Callable[[Array], Array] = field(default=softmax)

    def predict_proba(self, X: Array) -> Array:
        """(n, d) -> (n, n_classes), columns in the order of `classes_`."""
        return self.link(self.decision_function(X))


def logistic_link(scores: Array) -> Array:
    """Return probabilities as scikit-learn's `LogisticRegression` does."""
    if scores.ndim == 2:
        return softmax(scores)
    shares = _expit(scores)
    return np.stack([1 - shares, shares], axis=1)


def batched_link(scores: Array) -> Array:
    """Return probabilities as `BatchedLogisticRegression` does."""
    if scores.ndim == 2:
        return softmax(scores)
    return np.stack([_expit(-scores), _expit(scores)], axis=1)


def one_vs_rest_link(scores: Array) -> Array:
    """Return probabilities as scikit-learn's `OneVsRestClassifier` does: own shares over their sum."""
    if scores.ndim == 1:
        positive = _expit(scores)[:, None]
        shares = np.concatenate((1 - positive, positive), axis=1)
    else:
        # One row for each class in memory, since a sum over another layout rounds differently.
        shares = np.ascontiguousarray(_expit(scores).T).T
    sums = shares.sum(axis=1)[:, None]
    np.divide(shares, sums, out=shares, where=sums != 0)
    return shares


def softmax_link(factor: float) -> Callable[[Array], Array]:
    """Return a function: softmax of factor * scores, where one column means minus and plus itself."""

    def link(scores: Array) -> Array:
        values = scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)
        return softmax(factor * values)

    return link


def _expit(scores: Array) -> Array:
    from scipy.special import expit

    shares: Array = expit(scores)
    return shares


def signed_sqrt(X: Array) -> Array:
    """Return sign(X) * sqrt(abs(X)), with the shape and dtype of X."""
    roots: Array = np.copysign(np.sqrt(np.abs(X)), X)
    return roots


def unit_rows(X: Array) -> Array:
    """Scale rows to length 1 as scikit-learn's `normalize` does; rows of zeros stay zero."""
    # In place on a compact copy, as there: sums over strided memory may round differently.
    scaled: Array = X.copy(order="K")
    norms = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    norms[norms < 10 * np.finfo(norms.dtype).eps] = 1
    scaled /= norms[:, None]
    return scaled


def unit_rows_float64(X: Array) -> Array:
    """Scale rows to length 1 in float64."""
    return unit_rows(X.astype(np.float64))


def standardise(mean: Array, scale: Array) -> Step:
    """Return a function that does what a fitted `StandardScaler` does."""

    def step(X: Array) -> Array:
        moved: Array = X - mean.astype(X.dtype)
        moved /= scale.astype(X.dtype)
        return moved

    return step


STEPS: Mapping[str, tuple[Step, ...]] = MappingProxyType(
    {"none": (), "l2": (unit_rows,), "power": (signed_sqrt, unit_rows)}
)
"""What `normalise` does before a learner, without "standardise", which has a state of its own."""


def parameters(fitted: Any) -> Any:
    """Return the estimator at the end of a pipeline, or the estimator itself."""
    return fitted.steps[-1][1] if hasattr(fitted, "steps") else fitted
