"""Aggregators as nodes of an ONNX graph, from the state that `aggregator_states` makes.

Each takes (n_learners, n, n_classes) float64 probabilities and returns (n, n_classes) float64 scores:
logarithms of probabilities or decision values, whose highest one belongs to the predicted label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stackkit.api import OnnxNodes, State
from stackkit_plugins.shared.linear_learners.to_onnx import in_two_columns, linear_scores, unit_rows
from stackkit_plugins.shared.probabilities import FLOOR

FIRST = np.array([0])
"""The axis of the learners."""


def soft_vote(nodes: OnnxNodes, state: State, probabilities: str, *, n_classes: int) -> str:
    """Add the nodes of `soft-vote`."""
    return nodes.log(nodes.add("ReduceMean", probabilities, FIRST, keepdims=0))


def geometric_vote(nodes: OnnxNodes, state: State, probabilities: str, *, n_classes: int) -> str:
    """Add the nodes of `geometric-vote`."""
    means = nodes.add("ReduceMean", _logs(nodes, probabilities), FIRST, keepdims=0)
    return _log_softmax(nodes, state, means, n_classes)


def majority_vote(nodes: OnnxNodes, state: State, probabilities: str, *, n_classes: int) -> str:
    """Add the nodes of `majority-vote`."""
    unknown = np.setdiff1d(np.arange(n_classes), _classes(state))
    lowered = np.zeros(n_classes)
    lowered[unknown] = -2  # below every probability, so that nobody votes for a class without samples
    first = nodes.add("ArgMax", nodes.add("Add", probabilities, lowered), axis=2, keepdims=0)
    ballots = nodes.add("Equal", nodes.add("Unsqueeze", first, np.array([2])), np.arange(n_classes))
    votes = nodes.add("ReduceSum", nodes.cast(ballots, np.float64), FIRST, keepdims=0)
    means = nodes.add("ReduceMean", probabilities, FIRST, keepdims=0)
    return _log_shares(nodes, state, nodes.add("Add", votes, means), n_classes)


def weighted_vote(
    nodes: OnnxNodes, state: State, probabilities: str, *, n_classes: int, **options: Any
) -> str:
    """Add the nodes of `weighted-vote` and `ensemble-selection`."""
    return _log_shares(nodes, state, _weighted(nodes, state, probabilities), n_classes)


def stacked_logistic(
    nodes: OnnxNodes, state: State, probabilities: str, *, n_classes: int, **options: Any
) -> str:
    """Add the nodes of `stacked-logistic`."""
    scores = _weighted(nodes, state, _logs(nodes, probabilities))
    intercepts = np.zeros(n_classes)
    intercepts[_classes(state)] = state.arrays["intercept"]
    return _log_softmax(nodes, state, nodes.add("Add", scores, intercepts), n_classes)


def average_svm(
    nodes: OnnxNodes, state: State, probabilities: str, *, n_classes: int, **options: Any
) -> str:
    """Add the nodes of `average-svm`: decision values; unknown classes are far below all others."""
    means = nodes.add("ReduceMean", probabilities, FIRST, keepdims=0)
    values = linear_scores(nodes, state, means, "none")
    if len(state.arrays["coefficients"]) == 1:
        values = in_two_columns(nodes, values)
    if len(_classes(state)) == n_classes:
        return values
    lowest = nodes.add("ReduceMin", values, np.array([1]), keepdims=1)
    lowest = nodes.add("Add", lowest, nodes.log(np.zeros(1)))
    above = nodes.in_columns(nodes.add("Sub", values, lowest), _classes(state), n_classes)
    return nodes.add("Add", above, lowest)


def concat(
    nodes: OnnxNodes,
    state: State,
    features: Sequence[str],
    *,
    n_classes: int,
    learner: Callable[[State, str], str],
) -> str:
    """Add the nodes of `concat`, which takes the features of each backbone, (n, d)."""
    units = [unit_rows(nodes, nodes.cast(each, np.float64)) for each in features]
    return nodes.log(learner(state.parts["learner"], nodes.add("Concat", *units, axis=1)))


def _logs(nodes: OnnxNodes, probabilities: str) -> str:
    return nodes.add("Log", nodes.add("Max", probabilities, np.array(FLOOR)))


def _weighted(nodes: OnnxNodes, state: State, terms: str) -> str:
    weights = state.arrays["weights"].astype(np.float64)[:, None, None]
    return nodes.add("ReduceSum", nodes.add("Mul", terms, weights), FIRST, keepdims=0)


def _log_softmax(nodes: OnnxNodes, state: State, scores: str, n_classes: int) -> str:
    known = nodes.add("Gather", scores, np.array(_classes(state)), axis=1)
    shares = nodes.add("Softmax", known, axis=1)
    return nodes.log(nodes.in_columns(shares, _classes(state), n_classes))


def _log_shares(nodes: OnnxNodes, state: State, values: str, n_classes: int) -> str:
    """Return the logarithm of the shares of non-negative values among the known classes."""
    known = np.zeros(n_classes)
    known[_classes(state)] = 1
    values = nodes.add("Mul", values, known)
    sums = nodes.add("ReduceSum", values, np.array([1]), keepdims=1)
    any_known = nodes.add("Greater", sums, np.array(0.0))
    divisor = nodes.add("Where", any_known, sums, np.array(1.0))
    shares = nodes.add("Div", values, divisor)
    return nodes.log(nodes.add("Where", any_known, shares, known / known.sum()))


def _classes(state: State) -> list[int]:
    found: list[int] = state.arrays["classes"].tolist()
    return found
