"""The fitted classifiers of a model as ONNX nodes: each component says how, from its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stackkit.api.errors import PluginError
from stackkit.api.onnx_nodes import OnnxNodes
from stackkit.api.state import State
from stackkit.bundle import Bundle
from stackkit.evaluation.views import Use
from stackkit.host.component_code import call_code
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.model.stack import FittedLearner, Stack

FIRST = np.array([0])


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStates:
    """The states of the classifiers of a stack.

    Attributes
    ----------
    learners : tuple of tuple of State
        Of each learner, one state per member.
    aggregator : State
        Of the aggregator.

    """

    learners: tuple[tuple[State, ...], ...]
    aggregator: State


def states_in(bundle: Bundle) -> StackStates:
    """Return the states in an open bundle.

    Raises
    ------
    PluginError
        If a classifier is saved in another form, which ONNX cannot be told.

    """
    manifest = bundle.manifest
    for each in (*manifest.learners, manifest.aggregator):
        if each.format != "state":
            raise _no_export(each.component.label, "it is not saved as a plain state")
    return StackStates(
        learners=tuple(tuple(map(bundle.state, each.states)) for each in manifest.learners),
        aggregator=bundle.state(manifest.aggregator.states[0]),
    )


def score_nodes(nodes: OnnxNodes, stack: Stack, states: StackStates, features: Sequence[str]) -> str:
    """Add the nodes of a stack.

    Parameters
    ----------
    nodes : OnnxNodes
        Where nodes are added.
    stack : Stack
        The stack.
    states : StackStates
        Its states.
    features : sequence of str
        The features of each backbone, (n_views, feature_dim) float32.

    Returns
    -------
    str
        Scores before calibration, (1, n_classes) float64; see `evaluation.scores`.

    Raises
    ------
    PluginError
        If a component cannot be exported.

    """
    votes = [
        _votes(nodes, each, members, features[each.backbone], stack.n_classes)
        for each, members in zip(stack.learners, states.learners, strict=True)
    ]
    context: dict[str, Any] = {}
    inputs: Any = nodes.add("Concat", *(nodes.add("Unsqueeze", v, FIRST) for v in votes), axis=0)
    if stack.fit_on == "features":
        inner = stack.learners[0].component
        inputs = [nodes.add("ReduceMean", each, FIRST, keepdims=1) for each in features]
        context["learner"] = lambda state, X: nodes_of(nodes, inner, state, X, stack.n_classes)
    return nodes_of(nodes, stack.aggregator, states.aggregator, inputs, stack.n_classes, **context)


def _votes(
    nodes: OnnxNodes, learner: FittedLearner, states: Sequence[State], features: str, n_classes: int
) -> str:
    """Return a learner's probabilities of the image, (1, n_classes) float64."""
    each = [
        _seen_by(nodes, learner.component, state, use, features, n_classes)
        for state, use in zip(states, learner.uses, strict=True)
    ]
    if len(each) == 1:
        return each[0]
    return nodes.add("ReduceMean", nodes.add("Concat", *each, axis=0), FIRST, keepdims=1)


def _seen_by(
    nodes: OnnxNodes,
    component: ConfiguredComponent,
    state: State,
    use: Use,
    features: str,
    n_classes: int,
) -> str:
    """Return the probabilities of one member; `evaluation.views.probabilities_of` once more."""
    if use == "average":
        features = nodes.add("ReduceMean", features, FIRST, keepdims=1)
    elif use == "whole":
        features = nodes.add("Gather", features, FIRST, axis=0)
    found = nodes_of(nodes, component, state, features, n_classes)
    return nodes.add("ReduceMean", found, FIRST, keepdims=1)


def nodes_of(
    nodes: OnnxNodes,
    configured: ConfiguredComponent,
    state: State,
    inputs: str | Sequence[str],
    n_classes: int,
    **context: Any,
) -> str:
    """Add the nodes of one fitted classifier, and return its output; see `LearnerSpec.onnx`.

    Raises
    ------
    PluginError
        If the component does not say how, or its code fails.

    """
    if not getattr(configured.component.spec, "onnx", ""):
        raise _no_export(
            f"{configured.name} of {configured.component.distribution}",
            "its plugin does not say how ONNX computes its answers",
        )
    keywords = {**configured.options, **context, "n_classes": n_classes}
    made: str = call_code(
        configured.component, "onnx", keywords, label=configured.label, first=(nodes, state, inputs)
    )
    return made


def _no_export(name: str, reason: str) -> PluginError:
    return PluginError(f"{name} cannot be exported to ONNX: {reason}; train with another component")
