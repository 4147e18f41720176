"""A backbone on the fastest engine that has the features of the network's own runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api import ExtractionError, Readiness
from stackkit_plugins.shared.keras_network.activations import release_others
from stackkit_plugins.shared.keras_network.engines import Loaded, engine_version
from stackkit_plugins.shared.keras_network.frozen_backbone import FrozenBackbone
from stackkit_plugins.shared.keras_network.image_batch import require_batch
from stackkit_plugins.shared.keras_network.parity import largest_difference, require_close
from stackkit_plugins.shared.keras_network.timing import rate
from stackkit_plugins.shared.network.comparisons import Comparison, Comparisons
from stackkit_plugins.shared.network.definition import Comparable, FrozenNetwork
from stackkit_plugins.shared.network.settings import EngineSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_BATCH = 8
"""Images per pass: the smallest batch with nearly full speed on a CPU."""

GPU_BATCH = 128
"""Images per pass on a GPU, whose thousands of cores a smaller batch does not keep busy."""

MIN_IMAGES = 32
"""With fewer images to compute, the reference is done before another engine would be compared."""


class NetworkBackbone(FrozenBackbone):
    """A frozen network as a backbone, on its reference engine or on one that matches its features.

    Parameters
    ----------
    network : FrozenNetwork
        What is run.
    settings : EngineSettings
        How it is run.

    """

    def __init__(self, network: FrozenNetwork, settings: EngineSettings) -> None:
        super().__init__(network, settings.batch_size or DEFAULT_BATCH)
        self.network = network
        self.settings = settings
        self._compute: Loaded | None = None

    @property
    def revision(self) -> str:
        """Everything that features depend on, as one line."""
        return self.network.revision

    @property
    def weights_file(self) -> Path | None:
        """The file with the weights, downloaded if necessary; None for random weights."""
        return self.network.weights_file

    def prepare(self, images: NDArray[np.uint8], report: Callable[[str], None]) -> Readiness:
        """Select an engine, and compare its features with the reference's once per machine.

        Parameters
        ----------
        images : ndarray of shape (n, size, size, 3), uint8
            Sample images of the dataset.
        report : callable
            Shows a line of text to the user.

        Raises
        ------
        ExtractionError
            If the requested engine fails, or its features differ from the reference's by more than
            1e-4 of a row's norm.

        """
        require_batch(images, self.image_size, self.name)
        self._report = report
        if self.network.device == "gpu":
            self._batch_size = self.settings.batch_size or GPU_BATCH
        engine, self._compute, comparison = self._selected(images)
        return Readiness(
            settings=self._provenance(engine, comparison),
            batch_size=self._batch_size,
            images_per_s=comparison.images_per_s if comparison else None,
        )

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute features; if memory runs out, halve the batch and repeat it.

        Without `prepare`, the reference is used unless another engine was requested.

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

        """
        import numpy as np

        require_batch(images, self.image_size, self.name)
        if self._compute is None and len(images):
            _, self._compute, _ = self._selected(images[:DEFAULT_BATCH])
        release_others(self._compute)
        takes_bytes = getattr(self._compute, "takes_bytes", False)

        def compute(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            return self._compute(batch if takes_bytes else batch.astype(np.float32))  # type: ignore[misc, arg-type]

        return self._in_batches(images, compute)

    def _selected(self, images: NDArray[np.uint8]) -> tuple[str, Loaded, Comparison | None]:
        """Return an engine, the network in it, and the comparison with the reference if there is one."""
        network = self.network
        for engine in self._candidates(len(images)):
            try:
                compute, comparison = self._compared(engine, images)
            except Exception as error:  # any error of an engine excludes this engine only
                self._reject(engine, error)
                continue
            return engine, compute, comparison
        return network.reference, network.load(network.reference, self.settings.threads), None

    def _candidates(self, samples: int) -> Iterator[str]:
        """Yield the installed engines to try before the reference."""
        network, requested = self.network, self.settings.engine
        if requested != "auto":
            yield from () if requested == network.reference else (requested,)
            return
        for engine in filter(engine_version, network.faster):
            is_long = (self._images or samples) >= MIN_IMAGES and samples >= DEFAULT_BATCH
            alone = engine_version(network.reference) is None
            if alone or is_long or self._comparisons.recall(engine) is not None:
                yield engine

    def _compared(self, engine: str, images: NDArray[np.uint8]) -> tuple[Loaded, Comparison | None]:
        """Load the network into an engine; raise ExtractionError if its features differ."""
        import numpy as np

        network, threads = self.network, self.settings.threads
        if engine_version(network.reference) is None:
            self._report(
                f"{self.name}: {network.reference} is not installed, so features of {engine} are not "
                "compared with it"
            )
            return network.load(engine, threads), None
        if known := self._comparisons.recall(engine):
            require_close(known.difference, network.reference)  # before it is loaded in vain
            return network.load(engine, threads), known
        compute, reference = (network.load(each, threads) for each in (engine, network.reference))
        # One batch of the selected size: an engine may use another algorithm for another size.
        few = images[: max(self._batch_size, DEFAULT_BATCH)].astype(np.float32)
        found, expected = (_rows(each, few, self._batch_size) for each in (compute, reference))
        difference = max(map(largest_difference, found, expected))
        speed = rate(compute, few[: self._batch_size])
        made = Comparison(difference=difference, images_per_s=speed)
        self._comparisons.remember(engine, made)
        require_close(made.difference, network.reference)
        return compute, made

    @property
    def _comparisons(self) -> Comparisons:
        network = self.network
        return Comparisons(
            name=network.name,
            revision=network.revision,
            reference=network.reference,
            settings=self.settings,
        )

    def _reject(self, engine: str, error: Exception) -> None:
        message = f"{self.name}: engine {engine} rejected: {' '.join(str(error).split())}"
        reference = self.network.reference
        if engine_version(reference) is None:
            raise ExtractionError(f"{message}; install {reference}") from error
        if self.settings.engine == engine:
            raise ExtractionError(f"{message}; use engine={reference} or engine=auto") from error
        self._report(message)

    def _provenance(self, engine: str, comparison: Comparison | None) -> dict[str, Any]:
        difference = "not compared"
        if comparison or engine == self.network.reference:
            difference = f"{comparison.difference if comparison else 0:.0e}"
        return {
            "engine": engine,
            "engine_version": engine_version(engine),
            "device": self.network.device,
            "precision": self.network.precision,
            "threads": self.settings.threads or "all",
            "batch_size": self._batch_size,
            f"difference_from_{self.network.reference}": difference,
        }


def _rows(loaded: Loaded, images: NDArray[np.float32], size: int) -> list[NDArray[np.float32]]:
    """Return what to compare of a network, computed for `size` images at a time."""
    import numpy as np

    compared = loaded.compared if isinstance(loaded, Comparable) else lambda some: [loaded(some)]
    batches = [compared(images[i : i + size]) for i in range(0, len(images), size)]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]
