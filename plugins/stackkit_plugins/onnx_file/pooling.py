"""Make one vector per image from what a network returns: a vector, a feature map or tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackkit.api import UsageError, WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAP, _TOKENS = ("avg", "max"), ("cls", "mean", "both")


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How an output becomes features.

    Attributes
    ----------
    kind : {"none", "avg", "max", "cls", "mean", "both"}
        "none" for an output that is a vector already.
    axes : tuple of int
        Axes of height and width of a feature map, counted with the batch.
    prefix : int
        Tokens before those of the image's patches: class token, distillation token, registers.
    feature_dim : int
        Number of features.

    """

    kind: str
    axes: tuple[int, ...] = ()
    prefix: int = 0
    feature_dim: int

    def __str__(self) -> str:
        """Return everything that features depend on."""
        return f"pooling={self.kind}" + (f";prefix={self.prefix}" if self.kind in _TOKENS else "")

    def __call__(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """(n, ...) as the network returns it -> (n, feature_dim) float32."""
        import numpy as np

        output = output.astype(np.float32, copy=False)
        match self.kind:
            case "none":
                return output
            case "avg":
                return np.asarray(np.mean(output, axis=self.axes))
            case "max":
                return np.asarray(np.max(output, axis=self.axes))
        first, mean = output[:, 0], np.mean(output[:, self.prefix :], axis=1)
        if self.kind == "both":
            return np.concatenate([first, mean], axis=1)
        return first if self.kind == "cls" else mean


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
    requested : {"auto", "avg", "max", "cls", "mean", "both"}
        What the user asks for.
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
            return Pooling(kind="none", feature_dim=width)
        case (_, _, _):
            _require(name, "a feature map", requested, _MAP)
            axes = _spatial(shape, layout)
            (channels,) = (n for axis, n in enumerate(shape, 1) if axis not in axes)
            kind = "avg" if requested == "auto" else requested
            return Pooling(kind=kind, axes=axes, feature_dim=channels)
        case (count, width):
            _require(name, "tokens", requested, _TOKENS)
            prefix = _prefix(count, size)
            if requested in ("cls", "both") and not prefix:
                raise UsageError(
                    f"pooling={requested}: output {name} has {count} tokens and no class token; "
                    "pass pooling=mean"
                )
            kind = ("cls" if prefix else "mean") if requested == "auto" else requested
            dim = 2 * width if kind == "both" else width
            return Pooling(kind=kind, prefix=prefix, feature_dim=dim)
    raise WeightsError(
        f"output {name} has shape {shape} for each image; allowed are a vector, a feature map (3 axes) "
        "and tokens (2 axes): pass the name of another one by output="
    )


def _require(name: str, what: str, requested: str, allowed: tuple[str, ...]) -> None:
    if requested not in ("auto", *allowed):
        remedy = f"pass pooling={' or '.join(allowed)}" if allowed else "remove pooling="
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
