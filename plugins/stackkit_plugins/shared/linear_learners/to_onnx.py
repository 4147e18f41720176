"""Linear learners as nodes of an ONNX graph, from the state that `saving` makes.

Everything is computed in float64, so that the probabilities differ from those of a learner on float32
features by its rounding, and by nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import OnnxNodes, State


def softmax_learner(
    nodes: OnnxNodes, state: State, features: str, *, n_classes: int, normalise: str, **options: Any
) -> str:
    """Add the nodes of `lda` and `ridge`: (n, d) features -> (n, n_classes) probabilities."""
    return _softmax(nodes, state, linear_scores(nodes, state, features, normalise), n_classes)


def calibrated_svm(
    nodes: OnnxNodes, state: State, features: str, *, n_classes: int, normalise: str, **options: Any
) -> str:
    """Add the nodes of `calibrated-svm`, which has one row of coefficients for two classes."""
    scores = linear_scores(nodes, state, features, normalise)
    if len(state.arrays["coefficients"]) == 1:
        scores = nodes.add("Concat", nodes.add("Neg", scores), scores, axis=1)
    return _softmax(nodes, state, scores, n_classes)


def prototypes(
    nodes: OnnxNodes, state: State, features: str, *, n_classes: int, normalise: str, **options: Any
) -> str:
    """Add the nodes of `prototypes`."""
    x = unit_rows(nodes, normalised(nodes, state, features, normalise))
    return _softmax(nodes, state, _products(nodes, state, x), n_classes)


def logistic(
    nodes: OnnxNodes, state: State, features: str, *, n_classes: int, normalise: str, **options: Any
) -> str:
    """Add the nodes of `logistic`."""
    scores = linear_scores(nodes, state, features, normalise)
    if len(state.arrays["coefficients"]) == 1:
        scores = in_two_columns(nodes, scores)
    return nodes.in_columns(nodes.add("Softmax", scores, axis=1), _classes(state), n_classes)


def logistic_ovr(
    nodes: OnnxNodes, state: State, features: str, *, n_classes: int, normalise: str, **options: Any
) -> str:
    """Add the nodes of `logistic-ovr`: each class's own probability, over their sum."""
    scores = linear_scores(nodes, state, features, normalise)
    if len(state.arrays["coefficients"]) == 1:
        found = nodes.add("Softmax", in_two_columns(nodes, scores), axis=1)
    else:
        found = nodes.add("Sigmoid", scores)
        sums = nodes.add("ReduceSum", found, np.array([1]), keepdims=1)
        found = nodes.add("Div", found, nodes.add("Max", sums, np.array(np.finfo(np.float64).tiny)))
    return nodes.in_columns(found, _classes(state), n_classes)


def linear_scores(nodes: OnnxNodes, state: State, features: str, normalise: str) -> str:
    """Return decision values, (n, n_classes) or (n, 1) float64."""
    return _products(nodes, state, normalised(nodes, state, features, normalise))


def normalised(nodes: OnnxNodes, state: State, features: str, normalise: str) -> str:
    """Return (n, d) features as float64, as the option `normalise` says."""
    x = nodes.cast(features, np.float64)
    if normalise == "standardise":
        moved = nodes.add("Sub", x, _float64(state, "mean"))
        return nodes.add("Div", moved, _float64(state, "scale"))
    if normalise == "power":
        roots = nodes.add("Sqrt", nodes.add("Abs", x))
        x = nodes.add("Mul", nodes.add("Sign", x), roots)
    return x if normalise == "none" else unit_rows(nodes, x)


def unit_rows(nodes: OnnxNodes, x: str) -> str:
    """Scale rows of float64 to length 1; rows of zeros stay zero."""
    lengths = nodes.add("ReduceL2", x, np.array([1]), keepdims=1)
    is_zero = nodes.add("Less", lengths, np.array(10 * float(np.finfo(np.float32).eps)))
    return nodes.add("Div", x, nodes.add("Where", is_zero, np.array(1.0), lengths))


def in_two_columns(nodes: OnnxNodes, scores: str) -> str:
    """Return (n, 2) scores: 0, and the (n, 1) score of the second of two classes."""
    return nodes.add("Concat", nodes.add("Mul", scores, np.array(0.0)), scores, axis=1)


def _products(nodes: OnnxNodes, state: State, x: str) -> str:
    scores = nodes.add("MatMul", x, _float64(state, "coefficients").T)
    return nodes.add("Add", scores, _float64(state, "intercepts")) if _has_intercepts(state) else scores


def _softmax(nodes: OnnxNodes, state: State, scores: str, n_classes: int) -> str:
    scaled = nodes.add("Mul", scores, np.array(float(state.values["factor"])))
    return nodes.in_columns(nodes.add("Softmax", scaled, axis=1), _classes(state), n_classes)


def _has_intercepts(state: State) -> bool:
    return "intercepts" in state.arrays


def _float64(state: State, name: str) -> NDArray[np.float64]:
    return state.arrays[name].astype(np.float64)


def _classes(state: State) -> list[int]:
    found: list[int] = state.arrays["classes"].tolist()
    return found
