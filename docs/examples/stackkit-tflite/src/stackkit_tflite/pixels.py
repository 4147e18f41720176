"""Convert pixels to the values of a network's input, and its output to features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import UsageError
from stackkit_tflite.modelfile import Tensor


def input_levels(tensor: Tensor, low: float | str, high: float | str) -> NDArray[Any]:
    """Return (256,) in the type of the input: the input value for each pixel value.

    Raises UsageError if the input is not quantized and `low` and `high` are "auto".
    """
    steps = np.arange(256)
    if isinstance(low, str) or isinstance(high, str):
        if low != high:
            raise UsageError(
                f"low and high must both be numbers or both be auto, got low={low}, high={high}"
            )
        if not tensor.scale:
            raise UsageError(
                f"low= and high= are required: the input is {tensor.dtype}, and the file does not have "
                "the values for black and white; pass those of the training, for example low=-1,high=1 "
                "or low=0,high=1"
            )
        # The 256 steps of a quantized input span the range of pixels that it was calibrated on.
        return (steps + np.iinfo(tensor.dtype).min).astype(tensor.dtype)
    real = low + (high - low) * (steps / 255)
    if not tensor.scale:
        return real.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    quantized = np.round(real / tensor.scale) + tensor.zero_point
    return quantized.clip(limits.min, limits.max).astype(tensor.dtype)


def features(answer: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """(1, d) or (1, height, width, d) in the type of the output -> (d,); maps are averaged."""
    real = answer.reshape(-1, answer.shape[-1]).astype(np.float32)
    if tensor.scale:
        real = (real - np.float32(tensor.zero_point)) * np.float32(tensor.scale)
    mean: NDArray[np.float32] = real.mean(axis=0)
    return mean
