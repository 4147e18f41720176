"""What every Keras backbone needs: a network that is built late, run in batches, and left alone.

TensorFlow takes seconds to import and is not needed to say a backbone's size, width or revision,
so nothing here imports it, Keras or NumPy before the first image comes in.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from stackkit.api import ExtractionError, PluginError, UsageError, WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# What TensorFlow's C++ libraries write to stderr on import, whatever the log level.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w./]+:\d+\]"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [IWE] \S*tensorflow/"
    rb"|To enable the following instructions: "
)


# --- weights -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RandomWeights:
    """Weights drawn from a seed: the plumbing of a backbone without its knowledge."""

    seed: int

    trained = False
    is_here = True

    def identity(self) -> str:
        """Text that names these very weights; the order of draws is up to Keras' version."""
        return f"random-seed-{self.seed}-keras-{version('keras')}"

    def recheck(self) -> None:
        """Nothing to check: they are drawn afresh each time."""


@dataclass(kw_only=True)
class FileWeights:
    """A file of pretrained weights, known by the SHA-256 of its content.

    `sha256_prefix`, where given, are the first digits that the content must have.
    """

    path: Path
    sha256_prefix: str = ""
    _digest: str = ""

    trained = True

    @property
    def is_here(self) -> bool:
        """Whether the file exists now."""
        return self.path.is_file()

    def identity(self) -> str:
        """Text that names these very weights; raises WeightsError if the file is unreadable or wrong."""
        self._digest = self._digest or self._read_digest()
        return f"sha256-{self._digest}"

    def recheck(self) -> None:
        """To be called once the file was loaded; raises WeightsError if it is not what `identity` said.

        Features of the new content would else be kept under the name of the old one.
        """
        now = self._read_digest()
        if self._digest not in {"", now}:
            raise WeightsError(f"{self.path} changed while it was in use; run the command again")
        self._digest = now

    def _read_digest(self) -> str:
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise WeightsError(f"{self.path} cannot be read ({error}); give another file") from error
        if not digest.startswith(self.sha256_prefix):
            raise WeightsError(
                f"{self.path} is damaged: its SHA-256 starts with {digest[:8]}, "
                f"{self.sha256_prefix} is wanted; install or download it again"
            )
        return digest


def weights_file(text: str) -> FileWeights:
    """The file that `weights=PATH` names; raises WeightsError if there is none."""
    path = Path(text).expanduser()
    if missing := missing_file(path):
        raise WeightsError(f"weights={text}: {missing}; give imagenet, random, or a weights file's path")
    return FileWeights(path=path)


def missing_file(path: Path) -> str | None:
    """Why `path` is no file, or None."""
    if path.is_file():
        return None
    return f"{path} is a folder, not a file" if path.is_dir() else f"there is no file {path}"


# --- the backbone ------------------------------------------------------------------------------


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
        with _own_settings(keras):
            network = self.build()
            if isinstance(self.weights, RandomWeights):
                _draw_weights(network, self.weights.seed)
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


# --- Keras, kept to itself ---------------------------------------------------------------------


def import_keras() -> Any:
    """Keras on TensorFlow, imported without TensorFlow's chatter.

    Raises PluginError if Keras is set to run on something else.
    """
    _check_backend(os.environ.setdefault("KERAS_BACKEND", "tensorflow"))
    if "keras" not in sys.modules or "tensorflow" not in sys.modules:
        with _random_state_kept(), _quiet_stderr():
            import tensorflow as tf

            tf.constant(0)  # looks for devices, which is as talkative as the import
    import keras

    _check_backend(keras.backend.backend())
    return keras


def _check_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise PluginError(
            f"Keras is set to run on {backend}, tensorflow is wanted; run with KERAS_BACKEND=tensorflow"
        )


@contextmanager
def _own_settings(keras: Any) -> Iterator[None]:
    """Build under Keras' factory settings, whatever keras.json or the caller says; put theirs back."""
    layout, policy = keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    try:
        with _random_state_kept():
            yield
    finally:
        keras.config.set_image_data_format(layout)
        keras.config.set_dtype_policy(policy)


@contextmanager
def _random_state_kept() -> Iterator[None]:
    # Keras seeds every initialiser from Python's global generator, even where weights replace it.
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def _draw_weights(network: Any, seed: int) -> None:
    """Set every kernel from `seed`; all other weights keep their constant start.

    Keras' own initialisers answer to a global seed. The scale is that of He et al. (2015), under
    which signals neither die out nor explode.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    for weight in network.weights:
        if "kernel" in weight.name:
            shape = tuple(weight.shape)
            # A depthwise kernel (height, width, channels, 1) has one input per output.
            inputs = math.prod(shape[:2] if shape[-1] == 1 else shape[:-1])
            scale = np.float32(math.sqrt(2 / inputs))
            weight.assign(scale * generator.standard_normal(shape, np.float32))


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back TensorFlow's own lines on stderr; any other line is written when the block ends.

    Its libraries write to file descriptor 2 before any log level applies, so that is what is held.
    A user who set TF_CPP_MIN_LOG_LEVEL wants the lines and gets them.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "2"
    try:
        original = os.dup(2)
    except OSError:  # stderr is closed: nobody would read the lines
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush_stderr()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            _flush_stderr()
            os.dup2(original, 2)
            os.close(original)
            _pass_on(held)


def _flush_stderr() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def _pass_on(held: IO[bytes]) -> None:
    held.seek(0)
    for line in held:
        if not _NOISE.match(line):
            os.write(2, line)
