"""A Keras network on TensorFlow: the reference that every other engine is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stackkit.api import UsageError
from stackkit_plugins.shared.keras_network.heads import with_heads
from stackkit_plugins.shared.keras_network.options import RunSettings
from stackkit_plugins.shared.keras_network.pooling import Pooling
from stackkit_plugins.shared.keras_network.runtime import import_keras, own_settings
from stackkit_plugins.shared.keras_network.weights import FileWeights, RandomWeights, draw_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class NetworkDefinition:
    """Everything that is needed to build a network, in this process or another one.

    Parameters
    ----------
    name : str
        Name of the backbone, for messages.
    network : str
        Everything that feature maps depend on except preprocessing, size, weights and precision, as one
        line.
    preprocessing : int
        Version of the computation from pixels to features.
    image_size : int
        Side of the images in pixels.
    poolings : tuple of Pooling
        What to compute from the feature maps, at least one.
    weights : FileWeights or RandomWeights
    build_model : callable
        Returns the Keras model with its average pooling, (n, size, size, 3) float32 -> (n, channels),
        and with its weights set unless they are random. It must be picklable, as `preprocess`: the
        definition is sent to the process that selects an engine.
    preprocess : callable
        Maps a float32 tensor of RGB from 0 to 255 to what the model was trained on.
    settings : RunSettings

    """

    name: str
    network: str
    preprocessing: int
    image_size: int
    poolings: tuple[Pooling, ...]
    weights: FileWeights | RandomWeights
    build_model: Callable[[], Any]
    preprocess: Callable[[Any], Any]
    settings: RunSettings

    @property
    def label(self) -> str:
        """The name, for messages."""
        return self.name

    @property
    def trained(self) -> bool:
        """False for random weights."""
        return self.weights.trained

    @property
    def feature_dim(self) -> int:
        """Number of features per image, of all poolings together."""
        return sum(each.feature_dim for each in self.poolings)

    @property
    def pass_key(self) -> str:
        """What definitions have in common if one network can compute the poolings of all; may raise
        WeightsError.
        """
        return f"{self.name};{self._revision('')};{self.settings}"

    @property
    def revision(self) -> str:
        """Architecture, size, weights and precision as one line; raises WeightsError.

        Engine, batch size, device and threads are not part of it: they change features by rounding
        at most.
        """
        return self._revision("+".join(each.revision for each in self.poolings))

    def _revision(self, poolings: str) -> str:
        weights = self.weights.identity()
        return (
            f"{self.network};{poolings};preprocessing={self.preprocessing};size={self.image_size};"
            f"weights={weights}{self.settings.revision}"
        )

    def build(self) -> Network:
        """Build the network, which imports TensorFlow and may download weights.

        Raises
        ------
        UsageError
            If the settings ask for a GPU and TensorFlow sees none.
        WeightsError
            If weights are missing, or changed since they were identified.
        PluginError
            If a feature map of the model has another number of channels than expected.

        """
        keras = import_keras(threads=self.settings.threads)
        import tensorflow as tf

        device = find_device(self.settings.device)
        if device is None:
            raise UsageError(f"{self.name}: device=gpu, but TensorFlow sees no GPU; use device=cpu")
        if self.settings.precision == "mixed" and "GPU" not in device:
            raise UsageError(
                f"{self.name}: precision=mixed requires a GPU, but TensorFlow sees none; use "
                "precision=float32"
            )
        with own_settings(keras, precision=self.settings.precision), tf.device(device):
            model = self._model_with_weights()
            # Another version of Keras could change an architecture; features would then be stored with
            # a width that the store does not expect. `with_heads` checks it.
            model = with_heads(model, self.poolings, self.name)
        # After loading: a file that is replaced before this point is noticed, one that is replaced
        # afterwards no longer matters.
        self.weights.recheck()
        return Network(model, self.preprocess, size=self.image_size, device=device)

    def plain_model(self) -> Any:
        """Return the Keras model without poolings of its own, in float32; raises as `build` does."""
        keras = import_keras(threads=self.settings.threads)
        with own_settings(keras, precision="float32"):
            model = self._model_with_weights()
        self.weights.recheck()
        return model

    def _model_with_weights(self) -> Any:
        model = self.build_model()
        if isinstance(self.weights, RandomWeights):
            draw_weights(model, self.weights.seed)
        return model


class Network:
    """A network in inference mode including its preprocessing, traced once for batches of any length.

    Parameters
    ----------
    model : keras.Model
        (n, size, size, 3) -> (n, columns); see `pooling.split`.
    preprocess : callable
        Maps a float32 tensor of RGB from 0 to 255 to the model's input. It becomes part of the
        graph, so that other engines compute it too.
    size : int
        Side of the images in pixels.
    device : str
        Name of a TensorFlow device.

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
        """Compute raw columns: (n, size, size, 3) RGB from 0 to 255 -> (n, columns), both float32."""
        import tensorflow as tf

        with tf.device(self._device):
            features: NDArray[np.float32] = self._function(tf.convert_to_tensor(images)).numpy()
        return features

    def reference(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the same without tracing, which is faster for the few images of a comparison."""
        import tensorflow as tf

        with tf.device(self._device):
            features: NDArray[np.float32] = self._features(tf.convert_to_tensor(images)).numpy()
        return features

    def frozen(self) -> bytes:
        """Return the graph as a serialized GraphDef with its weights as constants.

        No operation but the last one, which outputs the raw columns, is without a consumer: some
        converters take each of those as an output of the network.
        """
        import tensorflow as tf

        # Traced with constants in place of the variables: to replace the variables of a traced graph
        # takes twice as long.
        weights = [
            [variable.numpy() for variable in variables]
            for variables in (self._model.trainable_variables, self._model.non_trainable_variables)
        ]

        def features(images: Any) -> Any:
            constants = [list(map(tf.constant, values)) for values in weights]
            found, _ = self._model.stateless_call(*constants, self._preprocess(images), training=False)
            return tf.cast(found, tf.float32)

        with tf.device(self._device):
            function = tf.function(features, autograph=False).get_concrete_function(self._batches)
        if any("Call" in operation.type for operation in function.graph.get_operations()):
            # Not public API, but some converters require a graph without functions.
            from tensorflow.python.framework.convert_to_constants import (
                convert_variables_to_constants_v2,
            )

            function = convert_variables_to_constants_v2(function)
        graph: bytes = _without_unused(function).SerializeToString()
        return graph

    @property
    def _batches(self) -> Any:
        import tensorflow as tf

        return tf.TensorSpec((None, self._size, self._size, 3), tf.float32, name="images")

    def _features(self, images: Any) -> Any:
        import tensorflow as tf

        # The cast matters for mixed precision, which returns float16.
        return tf.cast(self._model(self._preprocess(images), training=False), tf.float32)

    @cached_property
    def _function(self) -> Any:
        # A concrete function, because tf.function warns of retracing when the fifth backbone is
        # traced. It references its variables weakly; `self._model` keeps them alive.
        import tensorflow as tf

        with tf.device(self._device):
            return tf.function(self._features).get_concrete_function(self._batches)


def _without_unused(function: Any) -> Any:
    """Return the GraphDef of a traced function without operations that its output does not depend on.

    Tracing leaves some behind: a depthwise convolution has two constants that nothing reads.
    """
    used: set[str] = set()
    waiting = [output.op for output in function.outputs]
    while waiting:
        operation = waiting.pop()
        if operation.name not in used:
            used.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs] + operation.control_inputs
    graph = function.graph.as_graph_def()
    for place in reversed(range(len(graph.node))):
        if graph.node[place].name not in used:
            del graph.node[place]
    return graph


def find_device(device: str) -> str | None:
    """Return TensorFlow's name of the device for "auto", "cpu" or "gpu"; None if there is none."""
    import tensorflow as tf

    # Logical devices: the caller may have split a GPU or hidden one from TensorFlow.
    gpus = tf.config.list_logical_devices("GPU") if device != "cpu" else []
    if gpus:
        return str(gpus[0].name)
    return None if device == "gpu" else "/CPU:0"
