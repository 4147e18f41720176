"""A Keras network on TensorFlow: the reference that every other engine is held against."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Network:
    """A network in inference mode with its preprocessing, traced once for batches of any length.

    `model` maps (n, size, size, 3) to (n, feature_dim). `preprocess` turns float32 RGB of 0 to 255,
    as a tensor, into what the model was trained on; it becomes part of the graph. `device` is a
    TensorFlow device's name.
    """

    def __init__(self, model: Any, preprocess: Callable[[Any], Any], *, size: int, device: str) -> None:
        self._model = model
        self._preprocess = preprocess
        self._size = size
        self._device = device

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU."""
        return "GPU" in self._device

    def compute(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, size, size, 3) RGB of 0 to 255 -> (n, feature_dim); both float32."""
        import tensorflow as tf

        with tf.device(self._device):
            features: NDArray[np.float32] = self._function(tf.convert_to_tensor(images)).numpy()
        return features

    def frozen(self) -> bytes:
        """The graph as a serialized GraphDef with its weights as constants."""
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )

        frozen = convert_variables_to_constants_v2(self._function)
        graph: bytes = frozen.graph.as_graph_def().SerializeToString()
        return graph

    @cached_property
    def _function(self) -> Any:
        # A concrete function, since TensorFlow takes the tracing of a fifth backbone for a mistake
        # and warns. It holds its variables weakly; the model keeps them.
        import tensorflow as tf

        def features(images: Any) -> Any:
            return tf.cast(self._model(self._preprocess(images), training=False), tf.float32)

        batches = tf.TensorSpec((None, self._size, self._size, 3), tf.float32, name="images")
        with tf.device(self._device):
            return tf.function(features).get_concrete_function(batches)


def device_of(wanted: str) -> str | None:
    """TensorFlow's name of the device that `auto`, `cpu` or `gpu` means here; None if there is none."""
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU") if wanted != "cpu" else []
    if gpus:
        return str(gpus[0].name)
    return None if wanted == "gpu" else "/CPU:0"
