"""From the 256 values of a pixel to those of a network's input, and from its output to features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import UsageError
from stackkit_tflite.modelfile import Tensor


def input_levels(tensor: Tensor, low: float | str, high: float | str) -> NDArray[Any]:
    """(256,) in the input's own type: what each of a pixel's values is for the network.

    Raises UsageError if it takes unquantized numbers and nobody says which ones are black and white.
    """
    steps = np.arange(256)
    if isinstance(low, str) or isinstance(high, str):
        if low != high:
            raise UsageError(f"low={low}, high={high}: give both numbers, or neither")
        if not tensor.scale:
            raise UsageError(
                f"low=, high=: the network takes {tensor.dtype}, and the file cannot say what black and "
                "white are; give what it was trained on, such as low=-1,high=1 or low=0,high=1"
            )
        # A quantized input spans, in its 256 steps, the range of pixels that it was calibrated on.
        return (steps + np.iinfo(tensor.dtype).min).astype(tensor.dtype)
    real = low + (high - low) * (steps / 255)
    if not tensor.scale:
        return real.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    quantized = np.round(real / tensor.scale) + tensor.zero_point
    return quantized.clip(limits.min, limits.max).astype(tensor.dtype)


def features(answer: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """(1, d), or (1, height, width, d), in the output's own type -> (d,); maps are averaged."""
    real = answer.reshape(-1, answer.shape[-1]).astype(np.float32)
    if tensor.scale:
        real = (real - np.float32(tensor.zero_point)) * np.float32(tensor.scale)
    mean: NDArray[np.float32] = real.mean(axis=0)
    return mean
