"""A frozen Keras network that fulfils stackkit's Backbone protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import ref

from stackkit.api import ExtractionError, PluginError, Readiness, UsageError
from stackkit_plugins.keras_network.cache import EngineCache, Trial
from stackkit_plugins.keras_network.engines import Loaded
from stackkit_plugins.keras_network.memory import is_out_of_memory
from stackkit_plugins.keras_network.network import Network, device_of
from stackkit_plugins.keras_network.options import Running
from stackkit_plugins.keras_network.runtime import (
    import_keras,
    own_settings,
    require_threads,
    threads_of_tensorflow,
)
from stackkit_plugins.keras_network.trial import DEFAULT_BATCH, PROBE, Trials
from stackkit_plugins.keras_network.trial_process import TrialLostError, settle_apart
from stackkit_plugins.keras_network.weights import FileWeights, RandomWeights, draw_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.keras_network.engines import Compute


def _nobody(line: str) -> None:
    """Take a message that nobody reads."""


@dataclass(kw_only=True)
class KerasBackbone:
    """A frozen Keras network as a backbone, on TensorFlow or an engine that gives its features.

    `build` makes the network, (n, size, size, 3) float32 -> (n, feature_dim), with its weights set;
    it is called when TensorFlow is first needed. `preprocess` turns a float32 tensor of RGB
    from 0 to 255 into what the network was trained on. Both can be pickled: engines are tried in
    another process. `architecture` tells everything that the
    features depend on but size and weights.
    """

    name: str
    architecture: str
    image_size: int
    feature_dim: int
    weights: FileWeights | RandomWeights
    build: Callable[[], Any]
    preprocess: Callable[[Any], Any]
    running: Running = field(default_factory=Running)
    _at_work: ClassVar[ref[KerasBackbone] | None] = None
    _compute: Compute | None = None
    _trial: Trial | None = None
    _batch_size: int = DEFAULT_BATCH
    _tell: Callable[[str], None] = _nobody

    @property
    def trained(self) -> bool:
        """False for random weights."""
        return self.weights.trained

    @property
    def revision(self) -> str:
        """Architecture, size and weights as one line of text; downloads the weights if they are missing.

        Raises WeightsError if they cannot be had. Engine and batch size are no part of it.
        """
        if not self.weights.is_here:
            self._network  # noqa: B018 - building it is what brings the weights
        weights = self.weights.identity()
        return f"{self.architecture};size={self.image_size};weights={weights}{self.running.revision}"

    def prepare(self, probe: NDArray[np.uint8], tell: Callable[[str], None]) -> Readiness:
        """Choose engine and batch size on real images, or as an earlier trial on this machine did.

        Raises ExtractionError if the engine that was asked for differs from TensorFlow by more
        than 1e-4 of a row's norm, WeightsError if the weights cannot be had, and UsageError if
        TensorFlow may be needed and is at work on another number of threads than was asked for.
        """
        self._check(probe)
        if self.running.engine in {"auto", "tensorflow"}:
            require_threads(self.running.threads)  # now, and not after a trial
        self._tell = tell
        trials = self.trials(tell)
        trial, self._compute = self._recalled(trials) or self._tried(trials, probe)
        self._trial, self._batch_size = trial, trial.batch_size
        return Readiness(
            settings=self._settings(trial),
            batch_size=trial.batch_size,
            images_per_s=trial.images_per_s,
        )

    def _recalled(self, trials: Trials) -> tuple[Trial, Compute] | None:
        trial = trials.recalled()
        if trial is None:
            return None
        try:
            compute = trials.compute(trial)
        except Exception as error:
            if trial.engine == "tensorflow":
                raise
            self._tell(f"{self.name}: {trial.engine} no longer loads ({error}); it is tried anew")
            return None
        if self.running.engine == "auto":
            self._tell(
                f"{self.name}: {trial.engine}, as in the trial of {trial.made} "
                f"(to repeat it, delete {trials.cache.folder})"
            )
        return trial, compute

    def _tried(self, trials: Trials, probe: NDArray[np.uint8]) -> tuple[Trial, Compute]:
        if not trials.compares_engines(probe):
            trial = trials.settle(probe)
            return trial, trials.compute(trial)
        self.__dict__.pop("_network", None)  # its weights would be in memory twice
        try:
            trial = settle_apart(self, probe, self._tell)
            return trial, trials.compute(trial)
        except TrialLostError as error:
            if self.running.engine != "auto":
                raise
            self._tell(f"{error}; tensorflow is used")
            trial = trials.on_tensorflow()
            return trial, trials.compute(trial)

    def trials(self, tell: Callable[[str], None]) -> Trials:
        """The trials of this backbone's engines."""
        return Trials(
            name=self.name,
            size=self.image_size,
            running=self.running,
            cache=EngineCache(self.name, self.revision),
            network=lambda: self._network,
            tell=tell,
        )

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to build the same network."""
        left = {"_network", "_compute", "_tell", "_trial"}
        return {name: value for name, value in self.__dict__.items() if name not in left}

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 RGB -> (n, feature_dim) float32; `images` is left as it is.

        Without `prepare`, TensorFlow computes unless another engine was asked for. Where memory
        runs out, the batch is halved. Raises ExtractionError for anything but such images, and
        WeightsError on the first call if the weights cannot be had.
        """
        import numpy as np

        self._check(images)
        if self._compute is None:
            self._settle_for(images)
        self._take_turn()
        features = np.empty((len(images), self.feature_dim), np.float32)
        start = 0
        while start < len(images):
            rows = slice(start, start + self._batch_size)
            try:
                features[rows] = self._compute(images[rows].astype(np.float32))  # type: ignore[misc]
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._take_less(error)
                continue
            start = rows.stop
        return features

    def _take_turn(self) -> None:
        """Have the network that computed before give back its activations: they would add up."""
        before = KerasBackbone._at_work and KerasBackbone._at_work()
        if before and before is not self and isinstance(before._compute, Loaded):
            before._compute.release()
        KerasBackbone._at_work = ref(self)

    def _settle_for(self, images: NDArray[np.uint8]) -> None:
        if self.running.engine in {"auto", "tensorflow"}:
            self._compute = self._network.compute
            self._batch_size = self.running.batch_size or DEFAULT_BATCH
        elif len(images):
            self.prepare(images[:PROBE], _nobody)

    def _take_less(self, error: Exception) -> None:
        if self._batch_size == 1:
            raise ExtractionError(
                f"{self.name}: no memory for a single image of {self.image_size} pixels; "
                "give a smaller size, device=cpu, or fewer backbones at a time"
            ) from error
        self._batch_size //= 2
        self._tell(f"{self.name}: out of memory; goes on with {self._batch_size} images per pass")
        if self._trial and not self.running.batch_size:
            self._trial = self.trials(self._tell).lowered(self._trial, self._batch_size)

    def _settings(self, trial: Trial) -> dict[str, Any]:
        on_tensorflow = trial.engine == "tensorflow"
        threads = threads_of_tensorflow() if on_tensorflow else self.running.threads
        return {
            "engine": trial.engine,
            "engine_version": version(trial.engine),
            "device": trial.device,
            "precision": self.running.precision,
            "threads": threads or "all",
            "batch_size": trial.batch_size,
            "difference_from_tensorflow": f"{trial.difference:.0e}",
        }

    def _check(self, images: NDArray[np.uint8]) -> None:
        wanted = (self.image_size, self.image_size, 3)
        shape, dtype = getattr(images, "shape", ()), getattr(images, "dtype", type(images).__name__)
        if len(shape) != 4 or shape[1:] != wanted or dtype != "uint8":
            raise ExtractionError(
                f"{self.name} takes uint8 images of shape (n, {', '.join(map(str, wanted))}), "
                f"not {dtype} of shape {tuple(shape)}"
            )

    @cached_property
    def _network(self) -> Network:
        keras = import_keras(threads=self.running.threads)
        import tensorflow as tf

        device = device_of(self.running.device)
        if device is None:
            raise UsageError(f"{self.name}: device=gpu, but TensorFlow sees no GPU; use device=cpu")
        if self.running.precision == "mixed" and "GPU" not in device:
            raise UsageError(f"{self.name}: precision=mixed is for GPUs, and TensorFlow sees none")
        with own_settings(keras, precision=self.running.precision), tf.device(device):
            model = self.build()
            if isinstance(self.weights, RandomWeights):
                draw_weights(model, self.weights.seed)
        self.weights.recheck()
        if model.output_shape != (None, self.feature_dim):
            raise PluginError(
                f"{self.name} has {model.output_shape[1:]} features in Keras {keras.__version__}, "
                f"not {self.feature_dim}; report this to the plugin's authors"
            )
        return Network(model, self.preprocess, size=self.image_size, device=device)
