"""Put several poolings on one Keras network.

Each returns the raw columns that `pooling` turns into features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stackkit.api import PluginError
from stackkit_plugins.shared.keras_network.pooling import Pooling, signs


def with_heads(model: Any, poolings: Sequence[Pooling], name: str) -> Any:
    """Return a network that outputs the raw columns of all poolings, side by side.

    Parameters
    ----------
    model : keras.Model
        (n, size, size, 3) -> (n, channels), with its weights set and a global average pooling of its
        last feature map. What follows the pooling, such as ConvNeXt's layer normalisation, follows
        "avg" and "max".
    poolings : sequence of Pooling
        What to output.
    name : str
        Name of the backbone, for messages.

    Raises
    ------
    PluginError
        If a feature map has another number of channels than expected.

    Notes
    -----
    The order of the columns, and the columns that say how many there are, are those of
    `pooling.split`.

    """
    import keras

    outputs = [_head(model, each, name) for each in poolings]
    if any(each.raw_columns is None for each in poolings):
        widths = [[float(output.shape[1]) for output in outputs]]
        outputs.insert(0, model.input[:, 0, 0, :1] * 0.0 + keras.ops.convert_to_tensor(widths))
    joined = outputs[0] if len(outputs) == 1 else keras.layers.Concatenate(dtype="float32")(outputs)
    return keras.Model(model.input, joined, name=model.name)


def _head(model: Any, each: Pooling, name: str) -> Any:
    import keras

    source, tail = _feature_map(model, each.layer)
    if source.shape[-1] != each.channels:
        raise PluginError(
            f"{name} has {source.shape[-1]} channels in {each.layer or 'its last feature map'} in Keras "
            f"{keras.__version__}, expected {each.channels}; report this to the plugin's authors"
        )
    if each.kind == "avg":
        return tail(keras.layers.GlobalAveragePooling2D()(source))
    if each.kind == "max":
        return tail(keras.layers.GlobalMaxPooling2D()(source))
    # precision=mixed computes in float16, in which sums and cubes overflow. Layers convert their inputs
    # to it, unless they have a dtype.
    source = keras.ops.cast(source, "float32")
    if each.kind == "gem":
        # The smallest value of the published implementation. The root is left to NumPy.
        positive = keras.ops.maximum(source, 1e-6)
        return keras.ops.mean(positive * positive * positive, axis=(1, 2))
    if each.kind == "box":
        return keras.layers.Flatten(dtype="float32")(keras.ops.sum(source, axis=-1))
    if each.projected < each.channels:
        source = keras.ops.matmul(source, signs(each.channels, each.projected))
    centred = source - keras.ops.mean(source, axis=(1, 2), keepdims=True)
    return keras.layers.Flatten(dtype="float32")(centred)


def _feature_map(model: Any, layer: str | None) -> tuple[Any, Callable[[Any], Any]]:
    """Return the feature map, and what the network computes behind the pooling."""
    import keras

    if layer is not None:
        return model.get_layer(layer).output, lambda pooled: pooled
    # The last one: blocks with squeeze-and-excitation pool too.
    kind = keras.layers.GlobalAveragePooling2D
    place = max(i for i, each in enumerate(model.layers) if isinstance(each, kind))
    behind = model.layers[place + 1 :]

    def tail(pooled: Any) -> Any:
        for each in behind:
            pooled = each(pooled)
        return pooled

    return model.layers[place].input, tail
