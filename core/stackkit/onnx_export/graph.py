"""One ONNX graph for a whole model: from the pixels of an image to calibrated probabilities."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from stackkit import __version__
from stackkit.api.onnx_nodes import OnnxNodes
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.model.model import Model
from stackkit.onnx_export.classifiers import StackStates, score_nodes
from stackkit.onnx_export.features import feature_nodes
from stackkit.onnx_export.views import ImageViews

IMAGE, PROBABILITIES, LABEL = "image", "probabilities", "label"
"""Names of the input and the outputs."""


def model_graph(model: Model, states: StackStates, backbones: Sequence[CheckedBackbone]) -> bytes:
    """Return an ONNX file that answers as a model does.

    Parameters
    ----------
    model : Model
        The model.
    states : StackStates
        The states of its classifiers.
    backbones : sequence of CheckedBackbone
        Its opened backbones.

    Returns
    -------
    bytes
        A graph from "image", (height, width, 3) uint8 RGB, to "probabilities", (n_classes,) float32, and
        "label", int64 without axes.

    Raises
    ------
    PluginError
        If a component cannot be exported.

    """
    nodes = OnnxNodes()
    views = ImageViews(nodes, IMAGE)
    features = [feature_nodes(nodes, views, each) for each in backbones]
    scores = score_nodes(nodes, model.stack, states, features)
    calm = nodes.add("Div", scores, np.array(model.calibration.temperature))
    shares = nodes.cast(nodes.add("Softmax", calm, axis=1), np.float32)
    label = nodes.add("ArgMax", scores, axis=1, keepdims=0)
    n_classes = len(model.classes)
    return nodes.model(
        {IMAGE: (np.uint8, ("height", "width", 3))},
        {
            PROBABILITIES: (
                nodes.add("Reshape", shares, np.array([n_classes])),
                np.float32,
                (n_classes,),
            ),
            LABEL: (nodes.add("Squeeze", label, np.array([0])), np.int64, ()),
        },
        description=f"A model of {n_classes} classes, exported by stackkit {__version__}",
        metadata=_metadata(model),
    )


def _metadata(model: Model) -> dict[str, str]:
    """Return what the graph itself does not say, as JSON: names of classes, accuracy, origin."""
    facts = {
        "classes": list(model.classes),
        **{name: model.facts.get(name) for name in ("accuracy", "licence", "provenance")},
    }
    return {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items() if value}
