"""The poolings of a feature map as ONNX nodes: `pooling` and `heads` once more."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stackkit.api import OnnxNodes, PluginError
from stackkit_plugins.shared.keras_network.pooling import MARGIN, POWER, SLACK, Pooling

MAX_CELLS = 1024
"""Cells of a feature map at most for a box: its nodes compare every cell with every other one."""


def pooled(
    nodes: OnnxNodes,
    pooling: Pooling,
    feature_map: str,
    tail: Callable[[str], str],
    sides: tuple[int, int],
    name: str,
) -> str:
    """Return the features of one pooling, (n, feature_dim) float32.

    Parameters
    ----------
    nodes : OnnxNodes
        Where nodes are added.
    pooling : Pooling
        What to compute.
    feature_map : str
        (n, channels, height, width) float32.
    tail : callable
        What the network computes behind its average pooling.
    sides : tuple of (int, int)
        Height and width of the feature map.
    name : str
        Name of the backbone, for messages.

    Raises
    ------
    PluginError
        If the pooling cannot be exported.

    """
    space = np.array([2, 3])
    if pooling.kind == "avg":
        return tail(nodes.add("ReduceMean", feature_map, space, keepdims=0))
    if pooling.kind == "max":
        return tail(nodes.add("ReduceMax", feature_map, space, keepdims=0))
    if pooling.kind == "gem":
        positive = nodes.add("Max", feature_map, np.array(1e-6, np.float32))
        cubes = nodes.add("Mul", nodes.add("Mul", positive, positive), positive)
        means = nodes.add("ReduceMean", cubes, space, keepdims=0)
        return nodes.add("Pow", means, np.array(1 / POWER, np.float32))
    if pooling.kind == "box" and math.prod(sides) <= MAX_CELLS:
        return _boxes(nodes, nodes.add("ReduceSum", feature_map, np.array([1]), keepdims=0), sides)
    raise PluginError(
        f"{name}: pooling={pooling.kind} of {sides[0]} x {sides[1]} cells cannot be exported to ONNX"
    )


def _boxes(nodes: OnnxNodes, activations: str, sides: tuple[int, int]) -> str:
    """Return the boxes (n, 4) float32 for activations (n, height, width); see `pooling.boxes`."""
    count = math.prod(sides)
    cells = nodes.add("Reshape", nodes.cast(activations, np.float64), np.array([-1, count]))
    across = np.array([1])
    largest = nodes.add("ReduceMax", nodes.add("Abs", cells), across, keepdims=1)
    least = nodes.add("ReduceMean", cells, across, keepdims=1)
    least = nodes.add("Sub", least, nodes.add("Mul", largest, np.array(SLACK)))
    active = nodes.cast(nodes.add("GreaterOrEqual", cells, least), np.float32)
    linked = _linked(nodes, active, sides)
    # The first cell of the largest region: regions of equal size are numbered by their first cells.
    sizes = nodes.add("ReduceSum", linked, np.array([2]), keepdims=0)
    first = nodes.add("ArgMax", sizes, axis=1, keepdims=1)
    region = nodes.add("GatherND", linked, first, batch_dims=1)
    region = nodes.add("Reshape", region, np.array([-1, *sides]))
    top, bottom = _edges(nodes, region, axis=2, count=sides[0])
    left, right = _edges(nodes, region, axis=1, count=sides[1])
    size = (nodes.add("Sub", right, left), nodes.add("Sub", bottom, top))
    return nodes.cast(nodes.add("Concat", left, top, *size, axis=1), np.float32)


def _linked(nodes: OnnxNodes, active: str, sides: tuple[int, int]) -> str:
    """Return which active cells are in one region, (n, cells, cells) float32 of 0 and 1."""
    pairs = nodes.add(
        "Mul",
        nodes.add("Unsqueeze", active, np.array([1])),
        nodes.add("Unsqueeze", active, np.array([2])),
    )
    linked = nodes.add("Mul", pairs, _neighbours(sides))
    # Each product doubles the number of steps from cell to cell.
    for _ in range(math.ceil(math.log2(math.prod(sides)))):
        steps = nodes.add("MatMul", linked, linked)
        linked = nodes.add("Min", steps, np.array(1, np.float32))
    return linked


def _neighbours(sides: tuple[int, int]) -> NDArray[np.float32]:
    """Return (cells, cells): 1 where two cells share an edge, or are the same."""
    rows, columns = np.divmod(np.arange(math.prod(sides)), sides[1])
    apart = abs(rows[:, None] - rows) + abs(columns[:, None] - columns)
    return (apart <= 1).astype(np.float32)


def _edges(nodes: OnnxNodes, region: str, *, axis: int, count: int) -> tuple[str, str]:
    """Return the first and last edge of regions, each (n, 1) float64 relative to the image."""
    lines = nodes.add("ReduceMax", region, np.array([axis]), keepdims=0)
    first = nodes.cast(nodes.add("ArgMax", lines, axis=1, keepdims=1), np.float64)
    last = nodes.cast(nodes.add("ArgMax", lines, axis=1, keepdims=1, select_last_index=1), np.float64)
    low = nodes.add("Div", nodes.add("Sub", first, np.array(MARGIN)), np.array(float(count)))
    high = nodes.add("Div", nodes.add("Add", last, np.array(1 + MARGIN)), np.array(float(count)))
    return nodes.add("Max", low, np.array(0.0)), nodes.add("Min", high, np.array(1.0))
