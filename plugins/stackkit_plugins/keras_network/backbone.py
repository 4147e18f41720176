"""A frozen Keras network that fulfils stackkit's Backbone protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stackkit.api import ExtractionError, PluginError, UsageError
from stackkit_plugins.keras_network.runtime import import_keras, own_settings
from stackkit_plugins.keras_network.weights import FileWeights, RandomWeights, draw_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(kw_only=True)
class KerasBackbone:
    """A frozen Keras network as a backbone.

    `build` makes the network, (n, size, size, 3) float32 -> (n, feature_dim), with its weights set;
    it is called once, for the first image. `preprocess` turns float32 RGB of 0 to 255 into what
    the network was trained on, and may write into its argument. `architecture` tells everything
    that the features depend on but size and weights.
    """

    name: str
    architecture: str
    image_size: int
    feature_dim: int
    batch_size: int
    weights: FileWeights | RandomWeights
    build: Callable[[], Any]
    preprocess: Callable[[NDArray[np.float32]], NDArray[np.float32]]

    @property
    def trained(self) -> bool:
        """False for random weights."""
        return self.weights.trained

    @property
    def revision(self) -> str:
        """Architecture, size and weights as one line of text; downloads the weights if they are missing.

        Raises WeightsError if they cannot be had. The batch size is no part of it.
        """
        if not self.weights.is_here:
            self._network  # noqa: B018 - building it is what brings the weights
        return f"{self.architecture};size={self.image_size};weights={self.weights.identity()}"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 RGB -> (n, feature_dim) float32; `images` is left as it is.

        Raises ExtractionError for anything else, and WeightsError on the first call if the
        weights cannot be had.
        """
        import numpy as np

        self._check(images)
        features = np.empty((len(images), self.feature_dim), np.float32)
        for start in range(0, len(images), self.batch_size):
            rows = slice(start, start + self.batch_size)
            batch = images[rows].astype(np.float32)  # a copy: preprocess_input writes in place
            features[rows] = self._features(batch)
        return features

    def _check(self, images: NDArray[np.uint8]) -> None:
        wanted = (self.image_size, self.image_size, 3)
        shape, dtype = getattr(images, "shape", ()), getattr(images, "dtype", type(images).__name__)
        if len(shape) != 4 or shape[1:] != wanted or dtype != "uint8":
            raise ExtractionError(
                f"{self.name} takes uint8 images of shape (n, {', '.join(map(str, wanted))}), "
                f"not {dtype} of shape {tuple(shape)}"
            )

    @cached_property
    def _network(self) -> Any:
        keras = import_keras()
        with own_settings(keras):
            network = self.build()
            if isinstance(self.weights, RandomWeights):
                draw_weights(network, self.weights.seed)
        self.weights.recheck()
        if network.output_shape != (None, self.feature_dim):
            raise PluginError(
                f"{self.name} has {network.output_shape[1:]} features in Keras {keras.__version__}, "
                f"not {self.feature_dim}; report this to the plugin's authors"
            )
        return network

    @cached_property
    def _function(self) -> Any:
        """The network in inference mode, traced once for batches of any length.

        A concrete function, since TensorFlow takes the tracing of a fifth backbone for a mistake
        and warns. It holds its variables weakly; `_network` keeps them.
        """
        network = self._network
        import tensorflow as tf

        batches = tf.TensorSpec((None, self.image_size, self.image_size, 3), tf.float32)
        return tf.function(lambda batch: network(batch, training=False)).get_concrete_function(batches)

    def _features(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        function = self._function
        import tensorflow as tf

        features: NDArray[np.float32] = function(tf.convert_to_tensor(self.preprocess(batch))).numpy()
        return features


def check_numbers(name: str, *, size: int, smallest: int, batch_size: int, seed: int) -> None:
    """Raise UsageError for an image size, batch size or seed that cannot work."""
    if size < smallest:
        raise UsageError(f"{name}: size={size} is too small; the smallest is {smallest}")
    if batch_size < 1:
        raise UsageError(f"{name}: batch_size={batch_size}; at least one image is wanted")
    if seed < 0:
        raise UsageError(f"{name}: seed={seed}; a seed is 0 or above")
