"""A frozen Keras network that implements stackkit's Backbone protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api import JoinableBackbone, OnnxNodes, Readiness
from stackkit_plugins.shared.keras_network import selection_process
from stackkit_plugins.shared.keras_network.activations import release_others
from stackkit_plugins.shared.keras_network.engine_cache import EngineCache, EngineSelection
from stackkit_plugins.shared.keras_network.frozen_backbone import FrozenBackbone, ignore
from stackkit_plugins.shared.keras_network.image_batch import require_batch
from stackkit_plugins.shared.keras_network.network import Network, NetworkDefinition
from stackkit_plugins.shared.keras_network.pooling import features_of
from stackkit_plugins.shared.keras_network.runtime import require_threads, tensorflow_threads
from stackkit_plugins.shared.keras_network.selection import (
    DEFAULT_BATCH,
    MIN_IMAGES,
    EngineSelector,
)
from stackkit_plugins.shared.keras_network.selection_process import SelectionProcessError
from stackkit_plugins.shared.keras_network.weights import RandomWeights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.shared.keras_network.engines import Compute


class KerasBackbone(FrozenBackbone):
    """A frozen Keras network as a backbone, on TensorFlow or on an engine that matches its features.

    Parameters
    ----------
    definition : NetworkDefinition
        The network and how to run it.

    """

    smaller = "use a smaller size, device=cpu, or fewer backbones at a time"

    def __init__(self, definition: NetworkDefinition) -> None:
        super().__init__(definition, DEFAULT_BATCH)
        self.definition = definition
        self._compute: Compute | None = None
        self._selection: EngineSelection | None = None

    @property
    def revision(self) -> str:
        """`NetworkDefinition.revision`; downloads missing weights, raises WeightsError if it cannot."""
        if not self.definition.weights.is_here:
            self._network  # noqa: B018 - building the network downloads the weights
        return self.definition.revision

    @property
    def weights_file(self) -> Path | None:
        """The file with the weights, downloaded if necessary; None for random weights."""
        weights = self.definition.weights
        if not weights.is_here:
            self._network  # noqa: B018 - building the network downloads the weights
        return None if isinstance(weights, RandomWeights) else weights.path

    @property
    def pass_key(self) -> str:
        """Equal for backbones whose features one network can compute; may raise WeightsError."""
        return self.definition.pass_key

    def join(self, others: Sequence[JoinableBackbone]) -> KerasBackbone:
        """Return a backbone with the features of this one and of others side by side, as columns.

        Parameters
        ----------
        others : sequence of KerasBackbone
            Backbones with the same `pass_key`.

        """
        poolings = [
            each.definition.poolings for each in (self, *others) if isinstance(each, KerasBackbone)
        ]
        return KerasBackbone(replace(self.definition, poolings=tuple(chain.from_iterable(poolings))))

    def expect(self, images: int) -> None:
        """Take note of how many images will be computed, and start early what `prepare` will need."""
        super().expect(images)
        selector = self.selector(ignore)
        if selector.needs_engine(images) and selector.recalled() is None:
            selection_process.start(self.definition)

    def prepare(self, images: NDArray[np.uint8], report: Callable[[str], None]) -> Readiness:
        """Select engine and batch size, or reuse an earlier selection.

        Parameters
        ----------
        images : ndarray of shape (n, size, size, 3), uint8
            Sample images of the dataset. If there are fewer than 32 images to compute (as many as
            samples, unless `expect` was told otherwise), TensorFlow is used unless another engine
            was requested.
        report : callable
            Shows a line of text to the user.

        Raises
        ------
        ExtractionError
            If the requested engine fails, or its features differ from TensorFlow's by more than
            1e-4 of a row's norm.
        UsageError
            If TensorFlow may be needed and already runs on another number of threads.
        WeightsError
            If the weights are missing and cannot be downloaded.

        """
        require_batch(images, self.image_size, self.name)
        settings = self.definition.settings
        if settings.engine in {"auto", "tensorflow"}:
            require_threads(settings.threads)  # before an engine is set up, which takes seconds
        self._report = report
        selector = self.selector(report)
        self._selection, self._compute = self._recalled(selector) or self._selected(selector, images)
        self._batch_size = self._selection.batch_size
        return Readiness(
            settings=self._provenance(self._selection),
            batch_size=self._selection.batch_size,
            images_per_s=self._selection.images_per_s,
        )

    def _recalled(self, selector: EngineSelector) -> tuple[EngineSelection, Compute] | None:
        selection = selector.recalled()
        if selection is None:
            return None
        # Files are intact, but a driver, a library or the memory limit may have changed since.
        try:
            compute = selector.compute(selection)
        except Exception as error:
            if selection.engine == "tensorflow":
                raise
            self._report(
                f"{self.name}: {selection.engine} no longer loads ({error}); setting it up again"
            )
            return None
        if self.definition.settings.engine == "auto":
            self._report(
                f"{self.name}: using {selection.engine}, selected on {selection.made} "
                f"(to select again, delete {selector.cache.folder})"
            )
        return selection, compute

    def _selected(
        self, selector: EngineSelector, images: NDArray[np.uint8]
    ) -> tuple[EngineSelection, Compute]:
        if not selector.needs_engine(len(images)):
            selection = selector.select(images)
            return selection, selector.compute(selection)
        # Drop the network of this process: otherwise its weights would be in memory twice.
        self.__dict__.pop("_network", None)
        try:
            selection = selection_process.select_in_process(selector, images)
        # Only a lost process falls back. Other errors, such as damaged weights, would occur in this
        # process too and are raised as they are.
        except SelectionProcessError as error:
            # What had been selected before another engine crashed while it was timed is good.
            if known := self._recalled(replace(selector, images=None)):
                self._report(f"{error}; using {known[0].engine}")
                return known
            if self.definition.settings.engine != "auto":
                raise
            self._report(f"{error}; using tensorflow")
            selection = selector.on_tensorflow()
        return selection, selector.compute(selection)

    def selector(self, report: Callable[[str], None]) -> EngineSelector:
        """Return a selector of this backbone's engine, which uses the network of this process."""
        return EngineSelector(
            definition=self.definition,
            cache=EngineCache(self.name, self.revision),
            network=lambda: self._network,
            report=report,
            images=self._images,
        )

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute features.

        Without `prepare`, TensorFlow is used unless another engine was requested. If memory runs
        out, the batch size is halved and the batch repeated.

        Parameters
        ----------
        images : ndarray of shape (n, size, size, 3), uint8
            RGB; never modified.

        Returns
        -------
        ndarray of shape (n, feature_dim), float32

        Raises
        ------
        ExtractionError
            If `images` has another shape or dtype, or memory does not suffice for a single image.
        WeightsError
            On the first call, if the weights are missing and cannot be downloaded.

        """
        import numpy as np

        require_batch(images, self.image_size, self.name)
        if self._compute is None:
            self._set_up_unprepared(images)
        selection_process.end()  # every backbone of the run is prepared; its memory is needed now
        release_others(self._compute)

        def compute(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            raw = self._compute(batch.astype(np.float32))  # type: ignore[misc]
            return features_of(self.definition.poolings, raw)

        return self._in_batches(images, compute)

    def onnx(self, nodes: OnnxNodes, images: str) -> str:
        """Add the nodes that compute the features of images; see `network_nodes`."""
        from stackkit_plugins.shared.keras_network.to_onnx.conversion import network_nodes

        return network_nodes(nodes, self.definition, self._plain_model, images)

    def _set_up_unprepared(self, images: NDArray[np.uint8]) -> None:
        settings = self.definition.settings
        if settings.engine in {"auto", "tensorflow"}:
            self._compute = self._network.compute
            self._batch_size = settings.batch_size or DEFAULT_BATCH
        elif len(images):
            self.prepare(images[:MIN_IMAGES], ignore)

    def _halve_batch(self, error: Exception) -> None:
        super()._halve_batch(error)
        # A batch size that the user gave is not remembered as smaller: it is tried again next time.
        if self._selection and not self.definition.settings.batch_size:
            selector = self.selector(self._report)
            self._selection = selector.with_batch_size(self._selection, self._batch_size)

    def _provenance(self, selection: EngineSelection) -> dict[str, Any]:
        settings = self.definition.settings
        on_tensorflow = selection.engine == "tensorflow"
        # TensorFlow cannot change its number of threads once it runs, so record what it really uses.
        threads = tensorflow_threads() if on_tensorflow else settings.threads
        return {
            "engine": selection.engine,
            "engine_version": version(selection.engine),
            "device": selection.device,
            "precision": settings.precision,
            "threads": threads or "all",
            "batch_size": selection.batch_size,
            "difference_from_tensorflow": f"{selection.difference:.0e}",
        }

    @cached_property
    def _plain_model(self) -> Any:
        return self.definition.plain_model()

    @cached_property
    def _network(self) -> Network:
        return self.definition.build()
