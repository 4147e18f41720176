"""Make one vector per image from what a network returns: a vector, a feature map or tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackkit.api import UsageError, WeightsError
from stackkit_plugins.shared.keras_network.pooling import POOLINGS, signs
from stackkit_plugins.shared.keras_network.pooling import Pooling as MapPooling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAP, TOKENS = POOLINGS, ("cls", "mean", "both")
"""Poolings of feature maps, as those of Keras networks, and of tokens."""


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How an output becomes features.

    Attributes
    ----------
    kind : str
        One of `MAP` or `TOKENS`, or "none" for an output that is a vector already.
    axes : tuple of int
        Axes of height and width of a feature map, counted with the batch.
    prefix : int
        Tokens before those of the image's patches: class token, distillation token, registers.
    width : int
        Channels of the map or vector, or features of a token.

    """

    kind: str
    axes: tuple[int, ...] = ()
    prefix: int = 0
    width: int

    @property
    def feature_dim(self) -> int:
        """Number of features."""
        if self.kind in MAP:
            return self._of_map.feature_dim
        return 2 * self.width if self.kind == "both" else self.width

    def __str__(self) -> str:
        """Return everything that features depend on."""
        if self.kind in MAP:
            return self._of_map.revision
        return f"pooling={self.kind}" + (f";prefix={self.prefix}" if self.kind in TOKENS else "")

    def __call__(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """(n, ...) as the network returns it -> (n, feature_dim) float32."""
        import numpy as np

        output = output.astype(np.float32, copy=False)
        if self.kind in MAP:
            return self._of_map.features(self._raw(output))
        if self.kind == "none":
            return output
        first, mean = output[:, 0], np.mean(output[:, self.prefix :], axis=1)
        if self.kind == "both":
            return np.concatenate([first, mean], axis=1)
        return first if self.kind == "cls" else mean

    def compared(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """Return what to compare of two engines; see `MapPooling.compared`."""
        import numpy as np

        if self.kind in MAP:
            return self._of_map.compared(self._raw(output.astype(np.float32, copy=False)))
        return self(output)

    @property
    def _of_map(self) -> MapPooling:
        return MapPooling(kind=self.kind, channels=self.width)

    def _raw(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the raw columns of `MapPooling`, as `keras_network.heads` computes them."""
        import numpy as np

        if self.kind in ("avg", "max"):
            pool = np.mean if self.kind == "avg" else np.max
            return np.asarray(pool(output, axis=self.axes))
        maps = np.moveaxis(output, 1, -1) if self.axes == (2, 3) else output
        if self.kind == "gem":
            return np.asarray(np.mean(np.maximum(maps, 1e-6) ** 3, axis=(1, 2)))
        if self.kind == "box":
            return np.asarray(maps.sum(axis=-1)).reshape(len(maps), -1)
        if self._of_map.projected < self.width:
            maps = maps @ signs(self.width, self._of_map.projected)
        return np.asarray(maps - maps.mean(axis=(1, 2), keepdims=True)).reshape(len(maps), -1)


def find_pooling(
    name: str, shape: tuple[int, ...], requested: str, *, size: int, layout: str
) -> Pooling:
    """Return how to pool an output.

    Parameters
    ----------
    name : str
        Name of the output, for messages.
    shape : tuple of int
        Its shape for one image, without the batch.
    requested : str
        "auto", or one of `MAP` or `TOKENS`: what the user asks for.
    size : int
        Side of the images in pixels.
    layout : {"nchw", "nhwc"}
        Layout of the network's input; decides about a map whose axes are all equal.

    Raises
    ------
    UsageError
        If the output cannot be pooled in this way.
    WeightsError
        If it is none of the three.

    """
    match shape:
        case (width,):
            _require(name, "one vector per image", requested, ())
            return Pooling(kind="none", width=width)
        case (_, _, _):
            _require(name, "a feature map", requested, MAP)
            axes = _spatial(shape, layout)
            (channels,) = (n for axis, n in enumerate(shape, 1) if axis not in axes)
            kind = "avg" if requested == "auto" else requested
            return Pooling(kind=kind, axes=axes, width=channels)
        case (count, width):
            _require(name, "tokens", requested, TOKENS)
            prefix = _prefix(count, size)
            if requested in ("cls", "both") and not prefix:
                raise UsageError(
                    f"pooling={requested}: output {name} has {count} tokens and no class token; "
                    "pass pooling=mean"
                )
            kind = ("cls" if prefix else "mean") if requested == "auto" else requested
            return Pooling(kind=kind, prefix=prefix, width=width)
    raise WeightsError(
        f"output {name} has shape {shape} for each image; allowed are a vector, a feature map (3 axes) "
        "and tokens (2 axes): pass the name of another one by output="
    )


def _require(name: str, what: str, requested: str, allowed: tuple[str, ...]) -> None:
    if requested not in ("auto", *allowed):
        remedy = f"pass pooling={'|'.join(allowed)}" if allowed else "remove pooling="
        if requested == "box":  # stackkit asks for it, to find the box of views=attention
            remedy = "boxes need a feature map: name it by output=, or another backbone by boxes="
        raise UsageError(f"pooling={requested}: output {name} is {what}; {remedy}")


def _spatial(shape: tuple[int, ...], layout: str) -> tuple[int, int]:
    """Return the axes of height and width, counted with the batch: images are square, so are maps."""
    first, middle, last = shape
    # Networks may change their layout inside, so the layout of the input decides the doubtful case only.
    if middle == last and first == middle:
        return (2, 3) if layout == "nchw" else (1, 2)
    if first == middle:
        return 1, 2
    return 2, 3


def _prefix(count: int, size: int) -> int:
    """Return how many tokens precede those of patches, which form a square grid of the image."""
    side = math.isqrt(count)
    return count - side**2 if size % side == 0 else 0
