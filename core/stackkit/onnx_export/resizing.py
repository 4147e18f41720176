"""Resize part of an image exactly as Pillow does, as ONNX nodes.

ONNX has an operator that resizes, with `antialias` for images that shrink. In onnxruntime its bytes
differ from Pillow's: on one of six photographs of birds in every seventh pixel, by one level. Networks
notice. Hence Pillow's own algorithm: two matrix products with weights in fixed point.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from stackkit.api.onnx_nodes import OnnxNodes, OnnxTensor

PRECISION = float(1 << 22)
"""Pillow's weights are multiples of 1 / PRECISION. Sums of their products with pixels stay below 2^31,
so float64 has every one of them exactly, whatever the order of the sum."""


def resized(
    nodes: OnnxNodes, image: str, edges: Mapping[str, str], size: Mapping[str, OnnxTensor]
) -> str:
    """Resize part of an image with Pillow's bilinear filter.

    Parameters
    ----------
    nodes : OnnxNodes
        Where nodes are added.
    image : str
        (h, w, 3) float64 with whole numbers from 0 to 255.
    edges : mapping of str to str
        "left", "top", "right", "bottom" of the part, and "width" and "height" of the image, in pixels:
        float64 without axes.
    size : mapping of str to tensor
        "width" and "height" of the result, float64 without axes.

    Returns
    -------
    str
        (height, width, 3) float64 with whole numbers from 0 to 255.

    """
    columns = _weights(nodes, edges["width"], edges["left"], edges["right"], size["width"])
    rows = _weights(nodes, edges["height"], edges["top"], edges["bottom"], size["height"])
    channels = nodes.add("Transpose", image, perm=[2, 0, 1])
    across = nodes.add("Transpose", columns, perm=[1, 0])

    def columns_first(part: OnnxNodes) -> str:
        return _product(part, rows, _product(part, channels, across))

    def rows_first(part: OnnxNodes) -> str:
        return _product(part, _product(part, rows, channels), across)

    if not _may_begin_with_rows():
        return nodes.add("Transpose", columns_first(nodes), perm=[1, 2, 0])
    shrinks = {side: nodes.add("Sub", edges[side], size[side]) for side in ("width", "height")}
    most = nodes.add("Max", nodes.add("Mul", shrinks["width"], np.array(2.0)), np.array(0.0))
    by_rows = nodes.add("Greater", shrinks["height"], most)
    return nodes.add("Transpose", nodes.choose(by_rows, rows_first, columns_first), perm=[1, 2, 0])


@cache
def _may_begin_with_rows() -> bool:
    """Return whether the installed Pillow begins with rows if an image shrinks most in its height.

    Newer versions do. What is rounded in between is then another array, and so are some pixels.
    """
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (64, 16), dtype=np.uint8)
    bilinear = Image.Resampling.BILINEAR
    at_once = Image.fromarray(noise).resize((8, 8), bilinear)
    rows_first = Image.fromarray(noise).resize((16, 8), bilinear).resize((8, 8), bilinear)
    return bool(np.array_equal(np.asarray(at_once), np.asarray(rows_first)))


def _weights(nodes: OnnxNodes, length: str, low: str, high: str, size: OnnxTensor) -> str:
    """Return the (size, length) weights of the pixels of a row, each times PRECISION."""
    one, half = np.array(1.0), np.array(0.5)
    # Pillow keeps the edges, and their distance, in float32.
    low, high = (nodes.cast(each, np.float32) for each in (low, high))
    distance = nodes.cast(nodes.add("Sub", high, low), np.float64)
    scale = nodes.add("Div", distance, size)
    reach = nodes.add("Max", scale, one)
    places = nodes.add("Add", nodes.add("Range", np.array(0.0), size, one), half)
    centres = nodes.add("Add", nodes.cast(low, np.float64), nodes.add("Mul", places, scale))
    pixels = nodes.add("Add", nodes.add("Range", np.array(0.0), length, one), half)
    apart = nodes.add("Sub", pixels, nodes.add("Unsqueeze", centres, np.array([1])))
    share = nodes.add("Div", nodes.add("Abs", apart), reach)
    triangle = nodes.add("Max", nodes.add("Sub", one, share), np.array(0.0))
    sums = nodes.add("ReduceSum", triangle, np.array([1]), keepdims=1)
    weights = nodes.add("Mul", nodes.add("Div", triangle, sums), np.array(PRECISION))
    return nodes.add("Floor", nodes.add("Add", weights, half))


def _product(nodes: OnnxNodes, left: str, right: str) -> str:
    """Return a product with weights, as whole numbers from 0 to 255; halves are rounded up."""
    sums = nodes.add("MatMul", left, right)
    levels = nodes.add("Div", nodes.add("Add", sums, np.array(PRECISION / 2)), np.array(PRECISION))
    return nodes.add("Clip", nodes.add("Floor", levels), np.array(0.0), np.array(255.0))
