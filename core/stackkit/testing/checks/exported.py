"""The check that learners and aggregators share: their ONNX nodes say what they say themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.onnx_nodes import OnnxNodes
from stackkit.api.state import State
from stackkit.onnx_export.classifiers import nodes_of
from stackkit.testing.check import CheckList, attempt, require, skip
from stackkit.testing.transport import transported
from stackkit.testing.under_test import ComponentUnderTest

TOLERANCE = 1e-4
"""Allowed difference, as `stackkit export` allows it."""

REMEDY = (
    "compute in float64, and give classes that fit has not seen a column too, as with in_columns of "
    "OnnxNodes"
)


def add_onnx_check(
    checks: CheckList,
    fit: Callable[..., Any],
    inputs: Callable[[Any], Any],
    expected: Callable[[Any, Any], NDArray[np.floating]],
    context: Callable[[Any], Mapping[str, Mapping[str, Any]]] = lambda component: {},
) -> None:
    """Add the check of `onnx`.

    Parameters
    ----------
    checks, fit, inputs, context
        As for `add_state_checks`; `context` also gives the keywords of "onnx", which are callables whose
        first argument is added here: the `OnnxNodes`.
    expected : callable
        Takes a fitted classifier and inputs; returns what its nodes must give, (n, n_classes).

    """

    @checks.add("onnx-answers", REMEDY, after=("restored-answers",))
    def onnx_answers(component: ComponentUnderTest) -> None:
        """Its ONNX nodes, if its spec has any, give the same probabilities or scores within 0.0001."""
        configured = component.configured()
        if not getattr(configured.component.spec, "onnx", ""):
            skip("its spec names no onnx")
        if not (find_spec("onnx") and find_spec("onnxruntime")):
            skip("onnx and onnxruntime are not installed; run: pip install 'stackkit[onnx]'")
        fitted, given = fit(component, 0), inputs(component)
        known = context(component)
        state = transported(configured.state_of(fitted, **known.get("state", {})))
        right = expected(fitted, given)
        nodes, named = OnnxNodes(), _named(given)
        more = {name: partial(each, nodes) for name, each in known.get("onnx", {}).items()}
        tensors = "input-0" if isinstance(given, np.ndarray) else list(named)
        made = nodes_of(nodes, configured, state, tensors, right.shape[1], **more)
        found = attempt("running its ONNX nodes", lambda: _run(nodes, made, named, right.shape[1]))
        require(found.shape == right.shape, f"its ONNX nodes give {found.shape}, not {right.shape}")
        gap = np.abs(found - right) - TOLERANCE * np.maximum(np.abs(right), 1)
        require((gap <= 0).all(), f"its ONNX nodes differ by up to {np.abs(found - right).max():.2g}")


def _named(given: Any) -> dict[str, NDArray[Any]]:
    each = [given] if isinstance(given, np.ndarray) else given
    return {f"input-{number}": array for number, array in enumerate(each)}


def _run(
    nodes: OnnxNodes, made: str, given: Mapping[str, NDArray[Any]], n_classes: int
) -> NDArray[np.float64]:
    import onnxruntime

    content = nodes.model(
        {name: (array.dtype, array.shape) for name, array in given.items()},
        {"found": (made, np.float64, ("n", n_classes))},
    )
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(["found"], dict(given))
    return np.asarray(found)


def logistic_nodes(nodes: OnnxNodes, state: State, features: str) -> str:
    """Add the nodes of the kit's own learner, see `saved.logistic_state`."""
    weights, intercept = state.arrays["coef_"].T, state.arrays["intercept_"]
    products = nodes.add("MatMul", nodes.cast(features, np.float64), weights.astype(np.float64))
    return nodes.add("Softmax", nodes.add("Add", products, intercept.astype(np.float64)), axis=1)
