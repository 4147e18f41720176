"""How certain a fitted aggregator is about each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import PluginError
from stackkit.api.onnx_nodes import TINY

METHODS = ("predict_proba", "decision_function")
"""Methods that say how certain an aggregator is; the first one that it has is asked."""

NO_SCORES = (
    "has neither predict_proba nor decision_function, so a model with it cannot say how certain it is; "
    "choose another aggregator"
)


def gives_scores(aggregator: Any) -> bool:
    """Return whether `scores` can ask a fitted aggregator."""
    return any(hasattr(aggregator, method) for method in METHODS)


def scores(aggregator: Any, inputs: Any, count: int, n_classes: int) -> NDArray[np.float64]:
    """Ask a fitted aggregator how certain it is about each class.

    Parameters
    ----------
    aggregator : object
        A fitted aggregator with `predict_proba` or `decision_function`.
    inputs : ndarray or sequence of ndarray
        What its `predict` takes. What it returns has one column for each class or, in their order, for
        each of its `classes_`, and (count,) decision values are those of the second of two.
    count, n_classes : int
        Numbers of images and classes.

    Returns
    -------
    ndarray of shape (count, n_classes), float64
        Logarithms of the probabilities, or decision values if there are no probabilities. The softmax of
        both are probabilities, which still have to be calibrated.

    Raises
    ------
    PluginError
        If the aggregator has neither method, or returns something else.

    """
    if hasattr(aggregator, "predict_proba"):
        found = np.asarray(aggregator.predict_proba(inputs), dtype=np.float64)
        found = _all_columns(found, aggregator, count, n_classes, otherwise=0)
        _check("predict_proba", found, count, n_classes)
        if not (found >= 0).all():
            raise PluginError("predict_proba must return probabilities, got values below 0")
        return np.log(np.maximum(found, TINY))
    if not hasattr(aggregator, "decision_function"):
        raise PluginError(NO_SCORES)
    values = np.asarray(aggregator.decision_function(inputs), dtype=np.float64)
    if values.shape == (count,):  # scikit-learn's form for two classes
        values = np.column_stack([np.zeros(count), values])
    values = _all_columns(values, aggregator, count, n_classes, otherwise=np.log(TINY))
    _check("decision_function", values, count, n_classes)
    return values


def _check(method: str, found: NDArray[np.float64], count: int, n_classes: int) -> None:
    if found.shape != (count, n_classes):
        raise PluginError(f"{method} must return shape {(count, n_classes)}, got {found.shape}")
    if not np.isfinite(found).all():
        raise PluginError(f"{method} must return finite values, got NaN or infinity")


def _all_columns(
    found: NDArray[np.float64], aggregator: Any, count: int, n_classes: int, *, otherwise: float
) -> NDArray[np.float64]:
    """Give classes without training samples a column: `otherwise`, below the lowest of the row."""
    classes = np.asarray(getattr(aggregator, "classes_", ()), dtype=np.int64)
    if found.shape != (count, len(classes)) or not 0 < len(classes) < n_classes:
        return found
    whole = np.full((count, n_classes), float(otherwise))
    if otherwise:
        whole += found.min(axis=1, keepdims=True)
    whole[:, classes] = found
    return whole
