"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6, stem and head unscaled.

The numbers are those of the published models (tensorflow/tpu, models/official/efficientnet/lite).
Only building a network imports Keras.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

STEM = 32
FEATURES = 1280
SMALLEST = 32
"""Minimum side in pixels; below it, the last feature map would be mostly padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One network of the family: multipliers of width and depth, and native image size in pixels."""

    name: str
    width: float
    depth: float
    size: int


LITE0 = Variant(name="efficientnet-lite0", width=1.0, depth=1.0, size=224)
LITE1 = Variant(name="efficientnet-lite1", width=1.0, depth=1.1, size=240)
LITE2 = Variant(name="efficientnet-lite2", width=1.1, depth=1.2, size=260)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


_STAGES = (
    _Stage(repeats=1, kernel=3, stride=1, expansion=1, filters=16),
    _Stage(repeats=2, kernel=3, stride=2, expansion=6, filters=24),
    _Stage(repeats=2, kernel=5, stride=2, expansion=6, filters=40),
    _Stage(repeats=3, kernel=3, stride=2, expansion=6, filters=80),
    _Stage(repeats=3, kernel=5, stride=1, expansion=6, filters=112),
    _Stage(repeats=4, kernel=5, stride=2, expansion=6, filters=192),
    _Stage(repeats=1, kernel=3, stride=1, expansion=6, filters=320),
)


def layers(variant: Variant) -> dict[str, int]:
    """Return the channels of useful feature maps by layer: the last ones of 1/8 and 1/16 of the size."""
    blocks = list(_blocks(variant))
    # Each is followed by a block that halves the size.
    ends = [i - 1 for i, stage in enumerate(blocks) if stage.stride == 2][-2:]
    return {f"blocks.{i}.add": blocks[i].filters for i in ends}


def build(variant: Variant, *, size: int, classes: int | None = None) -> Any:
    """Build a Keras model; its weights are not set yet.

    Layers are named after the tensors of the published checkpoints: `blocks.3.bn1` has the weights
    `_blocks.3._bn1.*`.

    Parameters
    ----------
    variant : Variant
        Which network of the family.
    size : int
        Side of the images in pixels.
    classes : int, optional
        Add a classifier with this many classes.

    Returns
    -------
    keras.Model
        (n, size, size, 3) float32, scaled to (pixel - 127) / 128 -> (n, 1280) features, or
        (n, classes) logits.

    """
    import keras

    images = keras.Input((size, size, 3))
    x = _activated(_normalised(_convolution(images, "conv_stem", STEM, kernel=3, stride=2), "bn0"))
    for index, stage in enumerate(_blocks(variant)):
        x = _block(x, f"blocks.{index}", stage)
    x = _activated(_normalised(_convolution(x, "conv_head", FEATURES), "bn1"))
    x = keras.layers.GlobalAveragePooling2D()(x)
    if classes is not None:
        x = keras.layers.Dense(classes, name="fc")(x)
    return keras.Model(images, x, name=variant.name)


def _blocks(variant: Variant) -> Iterator[_Stage]:
    """Yield one stage with a single repeat for every block of the network."""
    for stage in _STAGES:
        is_end = stage in {_STAGES[0], _STAGES[-1]}  # Lite does not scale the depth of these two
        repeats = stage.repeats if is_end else math.ceil(stage.repeats * variant.depth)
        filters = _rounded(stage.filters * variant.width)
        for repeat in range(repeats):
            yield _Stage(
                repeats=1,
                kernel=stage.kernel,
                stride=stage.stride if repeat == 0 else 1,
                expansion=stage.expansion,
                filters=filters,
            )


def _rounded(filters: float) -> int:
    """Round to the nearest multiple of 8; upwards if rounding down would remove more than 10 %."""
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * filters else nearest


def _block(x: Any, name: str, stage: _Stage) -> Any:
    """Build an inverted residual: expand, depthwise, project; add the input if shapes match."""
    import keras

    source, filters = x, x.shape[-1]
    if stage.expansion != 1:
        x = _convolution(x, f"{name}.expand_conv", filters * stage.expansion)
        x = _activated(_normalised(x, f"{name}.bn0"))
    x = keras.layers.DepthwiseConv2D(
        stage.kernel, stage.stride, padding="same", use_bias=False, name=f"{name}.depthwise_conv"
    )(x)
    x = _activated(_normalised(x, f"{name}.bn1"))
    x = _normalised(_convolution(x, f"{name}.project_conv", stage.filters), f"{name}.bn2")
    if stage.stride == 1 and filters == stage.filters:
        x = keras.layers.Add(name=f"{name}.add")([x, source])
    return x


def _convolution(x: Any, name: str, filters: int, *, kernel: int = 1, stride: int = 1) -> Any:
    import keras

    layer = keras.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)
    return layer(x)


def _normalised(x: Any, name: str) -> Any:
    import keras

    return keras.layers.BatchNormalization(epsilon=1e-3, name=name)(x)


def _activated(x: Any) -> Any:
    import keras

    return keras.layers.ReLU(6.0)(x)
