"""The features of a model's backbones as ONNX nodes: all views of the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stackkit.api.backbone import ExportableBackbone
from stackkit.api.errors import PluginError, blaming
from stackkit.api.onnx_nodes import OnnxNodes
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.feature_set import FeatureSet, views_of
from stackkit.onnx_export.views import ImageViews


def feature_nodes(nodes: OnnxNodes, views: ImageViews, backbone: CheckedBackbone) -> str:
    """Add the nodes of a backbone, and return its features, (n_views, feature_dim) float32.

    Raises
    ------
    PluginError
        If the backbone cannot be exported.

    """
    seen = views_of(backbone)
    # The network runs once for all views that are known from the start, and once more for the others.
    first = [each for each in seen if not each.boxes]
    rows = [_computed(nodes, backbone, [views.square(each.geometry) for each in first])]
    for each in seen:
        if each.boxes:
            box = _box_on_image(nodes, views, each.boxes)
            rows.append(_computed(nodes, backbone, [views.square(each.geometry, box)]))
    order = [*first, *(each for each in seen if each.boxes)]
    joined = rows[0] if len(rows) == 1 else nodes.add("Concat", *rows, axis=0)
    return nodes.add("Gather", joined, np.array([order.index(each) for each in seen]), axis=0)


def _computed(nodes: OnnxNodes, backbone: CheckedBackbone, squares: Sequence[str]) -> str:
    network = backbone.backbone
    if not isinstance(network, ExportableBackbone):
        raise PluginError(
            f"{backbone.label} cannot be exported to ONNX: its plugin does not say how to compute its "
            "features there; train with another backbone"
        )
    images = squares[0] if len(squares) == 1 else nodes.add("Concat", *squares, axis=0)
    with blaming(lambda text: PluginError(f"{backbone.label} cannot be exported: {text}"), ""):
        return network.onnx(nodes, images)


def _box_on_image(nodes: OnnxNodes, views: ImageViews, finder: FeatureSet) -> str:
    """Return a box relative to the image, (4,) float64: `extraction.boxes.Boxes.on_image` once more."""
    found = _computed(nodes, finder.backbone, [views.square(finder.geometry)])
    box = nodes.cast(nodes.add("Reshape", found, np.array([4])), np.float64)
    return views.box_on_image(box, finder.backbone.resize)
