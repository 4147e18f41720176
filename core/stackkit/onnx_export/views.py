"""What a network sees of an image, as ONNX nodes: `extraction.geometry` once more."""

from __future__ import annotations

import numpy as np

from stackkit.api.onnx_nodes import OnnxNodes, OnnxTensor
from stackkit.extraction.geometry import ATTENTION, CROP, CROPS, MIRROR, PADDING, Geometry
from stackkit.onnx_export.resizing import resized


class ImageViews:
    """The image of the graph, and parts of it as squares.

    Parameters
    ----------
    nodes : OnnxNodes
        Where nodes are added.
    image : str
        (h, w, 3) uint8.

    """

    def __init__(self, nodes: OnnxNodes, image: str) -> None:
        self._nodes = nodes
        self._image = nodes.cast(image, np.float64)
        shape = nodes.cast(nodes.add("Shape", image), np.float64)
        self._height, self._width = (
            nodes.add("Gather", shape, np.array(axis), axis=0) for axis in (0, 1)
        )
        self._known: dict[Geometry, str] = {}

    def square(self, geometry: Geometry, box: str | None = None) -> str:
        """Return the pixels that a network sees, (1, size, size, 3) uint8.

        `box` is, for an attention view, x, y, width and height relative to the image: (4,) float64.
        """
        if geometry not in self._known:
            self._known[geometry] = self._made(geometry, box)
        return self._known[geometry]

    def box_on_image(self, box: str, resize: str) -> str:
        """Return a box on the image: `extraction.boxes.Boxes.on_image` once more.

        `box` is x, y, width and height relative to a square that `resize` made of it, (4,) float64.
        """
        if resize == "squash":
            return box
        nodes = self._nodes
        x, y, w, h = (nodes.add("Gather", box, np.array([i]), axis=0) for i in range(4))
        side = nodes.add("Min" if resize == "crop" else "Max", self._width, self._height)
        starts, sizes = [], []
        for length, start, size in ((self._width, x, w), (self._height, y, h)):
            low, high = (
                self._relative(length, side, each) for each in (start, nodes.add("Add", start, size))
            )
            starts.append(low)
            sizes.append(nodes.add("Sub", high, low))
        return nodes.add("Concat", *starts, *sizes, axis=0)

    def _relative(self, length: str, side: str, at: str) -> str:
        nodes = self._nodes
        margin = nodes.add("Div", nodes.add("Sub", length, side), np.array(2.0))
        place = nodes.add("Add", margin, nodes.add("Mul", at, side))
        inside = nodes.add("Min", nodes.add("Max", place, np.array(0.0)), length)
        return nodes.add("Div", inside, length)

    def _made(self, geometry: Geometry, box: str | None) -> str:
        nodes = self._nodes
        edges = self._edges(geometry, box)
        if geometry.resize == "pad":
            square = self._padded(edges, geometry.size)
        else:
            side = np.array(float(geometry.size))
            square = resized(nodes, self._image, edges, {"width": side, "height": side})
        if geometry.view == MIRROR:
            square = _reversed(nodes, square)
        return nodes.cast(nodes.add("Unsqueeze", square, np.array([0])), np.uint8)

    def _edges(self, geometry: Geometry, box: str | None) -> dict[str, str]:
        """Return the edges that `extraction.geometry.region` returns, and the size of the image."""
        nodes, zero = self._nodes, self._nodes.constant(np.array(0.0))
        left, top, right, bottom = zero, zero, self._width, self._height
        if geometry.view == ATTENTION:
            assert box is not None
            x, y, w, h = (nodes.add("Gather", box, np.array(i), axis=0) for i in range(4))
            left, right = self._within(self._width, x, w)
            top, bottom = self._within(self._height, y, h)
        elif geometry.view in CROPS:
            x0, y0 = (np.array(float(each)) for each in CROPS[geometry.view])
            left, right = self._within(self._width, x0, np.array(CROP))
            top, bottom = self._within(self._height, y0, np.array(CROP))
        if geometry.resize == "crop":
            width, height = nodes.add("Sub", right, left), nodes.add("Sub", bottom, top)
            side = nodes.add("Min", width, height)
            left, right = self._middle(left, right, side)
            top, bottom = self._middle(top, bottom, side)
        names = {"left": left, "top": top, "right": right, "bottom": bottom}
        return {**names, "width": self._width, "height": self._height}

    def _within(self, side: str, start: OnnxTensor, length: OnnxTensor) -> tuple[str, str]:
        nodes, one = self._nodes, np.array(1.0)
        first = nodes.add("Max", nodes.add("Mul", side, start), np.array(0.0))
        first = nodes.add("Min", first, nodes.add("Sub", side, one))
        end = nodes.add("Mul", side, nodes.add("Add", start, length))
        end = nodes.add("Max", end, nodes.add("Add", first, one))
        return first, nodes.add("Min", end, side)

    def _middle(self, low: str, high: str, side: str) -> tuple[str, str]:
        nodes = self._nodes
        start = nodes.add("Sub", nodes.add("Add", low, high), side)
        start = nodes.add("Div", start, np.array(2.0))
        return start, nodes.add("Add", start, side)

    def _padded(self, edges: dict[str, str], size: int) -> str:
        nodes = self._nodes
        width = nodes.add("Sub", edges["right"], edges["left"])
        height = nodes.add("Sub", edges["bottom"], edges["top"])
        scale = nodes.add("Div", np.array(float(size)), nodes.add("Max", width, height))
        inside = {
            name: nodes.add("Max", nodes.add("Round", nodes.add("Mul", side, scale)), np.array(1.0))
            for name, side in (("width", width), ("height", height))
        }
        part = resized(nodes, self._image, edges, inside)
        before, after = [], []
        for name in ("height", "width"):
            rest = nodes.cast(nodes.add("Sub", np.array(float(size)), inside[name]), np.int64)
            rest = nodes.add("Unsqueeze", rest, np.array([0]))
            before.append(nodes.add("Div", rest, np.array([2])))
            after.append(nodes.add("Sub", rest, before[-1]))
        nothing = nodes.constant(np.array([0]))
        pads = nodes.add("Concat", *before, nothing, *after, nothing, axis=0)
        return nodes.add("Pad", part, pads, np.array(float(PADDING)))


def _reversed(nodes: OnnxNodes, square: str) -> str:
    end = np.iinfo(np.int64).min
    return nodes.add("Slice", square, np.array([-1]), np.array([end]), np.array([1]), np.array([-1]))
