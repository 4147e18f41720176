"""Find the fastest engine: compare features with TensorFlow's on real images, then time the equal ones.

The comparison is what makes an engine trustworthy. A converter can misread a graph without an
error, and its features would be stored and shared with those of TensorFlow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stackkit.api import ExtractionError
from stackkit_plugins.shared.keras_network.engine_cache import EngineCache, EngineSelection
from stackkit_plugins.shared.keras_network.engines import CONVERTED, engine, engine_version
from stackkit_plugins.shared.keras_network.network import Network, NetworkDefinition
from stackkit_plugins.shared.keras_network.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.shared.keras_network.engines import Compute

TOLERANCE = 1e-4
"""Largest accepted difference from TensorFlow, relative to a row's norm.

Engines add in another order, which changes features by rounding. A wrong conversion changes them
by far more.
"""

MIN_IMAGES = 32
"""Sample images that a benchmark needs; a job with fewer is over before a benchmark would be."""

DEFAULT_BATCH = 32
_SMALL_BATCH = 8
# A larger batch must be this much faster, as it also needs more memory.
_MIN_GAIN = 1.03
_SECONDS_PER_ENGINE = 0.5
_MAX_BATCH_ON_CPU, _MAX_BATCH_ON_GPU = 32, 256


@dataclass(frozen=True, kw_only=True)
class EngineSelector:
    """Selects the engine and batch size of one backbone.

    Parameters
    ----------
    definition : NetworkDefinition
        The backbone's network and run settings.
    cache : EngineCache
        Where selections and converted networks are kept.
    network : callable
        Returns the network on TensorFlow, built on the first call.
    report : callable
        Shows a line of text to the user.

    """

    definition: NetworkDefinition
    cache: EngineCache
    network: Callable[[], Network]
    report: Callable[[str], None]

    def recalled(self) -> EngineSelection | None:
        """Return an earlier selection for the same settings on this machine, or None."""
        return self.cache.recall(self.definition.settings)

    def compares_engines(self, images: NDArray[np.uint8]) -> bool:
        """Return whether `select` would load an engine besides TensorFlow."""
        settings = self.definition.settings
        if settings.engine == "auto":
            enough = len(images) >= MIN_IMAGES
            return settings.precision == "float32" and bool(_installed()) and enough
        return settings.engine != "tensorflow"

    def select(self, images: NDArray[np.uint8]) -> EngineSelection:
        """Select an engine and a batch size.

        Parameters
        ----------
        images : ndarray of shape (n, size, size, 3), uint8
            Sample images. With at least `MIN_IMAGES` of them the batch size is benchmarked too, and
            the selection is stored.

        Raises
        ------
        ExtractionError
            If the requested engine fails, or its features differ from TensorFlow's.

        """
        import numpy as np

        samples = images.astype(np.float32)
        # On a GPU TensorFlow is the only engine; if it was not requested by name, that settles it.
        on_gpu = self.definition.settings.engine == "auto" and self.network().on_gpu
        if self.compares_engines(images) and not on_gpu:
            return self._fastest(samples)
        selection = self.on_tensorflow()
        if len(images) >= MIN_IMAGES:
            selection = self._with_best_batch(selection, self.network().compute, samples)
            self._remember(selection)
        return selection

    def with_batch_size(self, selection: EngineSelection, batch_size: int) -> EngineSelection:
        """Return the selection with a smaller batch size; store it if the selection was stored."""
        smaller = replace(selection, batch_size=batch_size)
        if self.recalled() == selection:
            self._remember(smaller)
        return smaller

    def compute(self, selection: EngineSelection) -> Compute:
        """Load the selected engine and return its function from images to features."""
        if selection.engine == "tensorflow":
            return self.network().compute
        folder = self.cache.folder / selection.folder
        return engine(selection.engine).load(
            folder, size=self.definition.image_size, threads=self.definition.settings.threads
        )

    def on_tensorflow(self) -> EngineSelection:
        """Return the selection of TensorFlow without a benchmark."""
        device = "gpu" if self.network().on_gpu else "cpu"
        batch_size = self.definition.settings.batch_size or DEFAULT_BATCH
        return EngineSelection(engine="tensorflow", device=device, batch_size=batch_size)

    def _fastest(self, images: NDArray[np.float32]) -> EngineSelection:
        """Select the fastest of the allowed engines with TensorFlow's features."""
        name, requested = self.definition.name, self.definition.settings.engine
        self.report(f"{name}: benchmarking engines once on this machine; the result is cached")
        on_tensorflow = self.network().compute
        reference = _in_batches(on_tensorflow, images, _SMALL_BATCH)
        candidates: list[tuple[EngineSelection, Compute]] = []
        if requested == "auto":
            candidates.append((self.on_tensorflow(), on_tensorflow))
        is_final = True
        for candidate in _installed() if requested == "auto" else [requested]:
            try:
                candidates.append(self._converted(candidate, images, reference))
            except Exception as error:  # any error of an engine excludes this engine only
                # A full disk or little memory may be gone tomorrow: do not store the outcome.
                is_final &= not isinstance(error, OSError | MemoryError)
                self._reject(candidate, error)
        rates = _rates([compute for _, compute in candidates], images[:_SMALL_BATCH])
        if len(candidates) > 1:
            speeds = [f"{c.engine} {rate:.1f}" for (c, _), rate in zip(candidates, rates, strict=True)]
            self.report(f"{name}: images/s with {', '.join(speeds)}")
        best, compute = candidates[rates.index(max(rates))]
        if len(images) >= MIN_IMAGES:
            best = self._with_best_batch(best, compute, images)
        best = self._confirmed(best, compute, images, reference)
        for selection, _ in candidates:
            if selection.folder != best.folder:
                self.cache.drop(selection)
        if is_final:
            self._remember(best)
        return best

    def _confirmed(
        self,
        selection: EngineSelection,
        compute: Compute,
        images: NDArray[np.float32],
        reference: NDArray[np.float32],
    ) -> EngineSelection:
        """Compare all images again, in batches of the selected size.

        An engine may use another algorithm for another batch size, so a small batch proves nothing
        about a large one.
        """
        if selection.engine == "tensorflow":
            return selection
        difference = largest_difference(_in_batches(compute, images, selection.batch_size), reference)
        try:
            _require_close(difference)
        except ExtractionError as error:
            self._reject(selection.engine, error)
            return self.on_tensorflow()
        return replace(selection, difference=difference)

    def _reject(self, candidate: str, error: Exception) -> None:
        reason = " ".join(str(error).split())
        message = f"{self.definition.name}: engine {candidate} rejected: {reason}"
        if self.definition.settings.engine == candidate:
            raise ExtractionError(f"{message}; use engine=tensorflow or engine=auto") from error
        self.report(message)

    def _converted(
        self, name: str, images: NDArray[np.float32], reference: NDArray[np.float32]
    ) -> tuple[EngineSelection, Compute]:
        """Convert the network for an engine, load it, and compare features of a few images."""
        folder, files = self._convert(name)
        batch_size = self.definition.settings.batch_size or DEFAULT_BATCH
        selection = EngineSelection(
            engine=name, device="cpu", batch_size=batch_size, folder=folder, files=files
        )
        compute = self.compute(selection)
        _require_close(largest_difference(compute(images[:_SMALL_BATCH]), reference[:_SMALL_BATCH]))
        return selection, compute

    def _convert(self, name: str) -> tuple[str, dict[str, str]]:
        if known := self.cache.converted(name):
            return known.folder, known.files
        with self.cache.converting() as scratch:
            graph, made = scratch / "graph.pb", scratch / "made"
            graph.write_bytes(self.network().frozen())
            made.mkdir()
            engine(name).convert(graph, made)
            return self.cache.adopt(name, made)

    def _with_best_batch(
        self, selection: EngineSelection, compute: Compute, images: NDArray[np.float32]
    ) -> EngineSelection:
        """Double the batch size while that is faster, unless the user gave one."""
        import numpy as np

        if given := self.definition.settings.batch_size:
            (rate,) = _rates([compute], images[:given])
            return replace(selection, images_per_s=rate)
        largest = _MAX_BATCH_ON_GPU if selection.device == "gpu" else _MAX_BATCH_ON_CPU
        best, (rate,) = _SMALL_BATCH, _rates([compute], images[:_SMALL_BATCH])
        while best < largest:
            try:
                # np.resize repeats images if there are fewer than the batch needs.
                (faster,) = _rates([compute], np.resize(images, (best * 2, *images.shape[1:])))
            except Exception as error:
                if is_out_of_memory(error):
                    break
                raise
            if faster < rate * _MIN_GAIN:
                break
            best, rate = best * 2, faster
        return replace(selection, batch_size=best, images_per_s=rate)

    def _remember(self, selection: EngineSelection) -> None:
        try:
            self.cache.remember(self.definition.settings, selection)
        except OSError as error:
            self.report(
                f"{self.definition.name}: the selected engine cannot be cached ({error}); "
                "the benchmark will be repeated next time"
            )


def largest_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest relative difference between rows of features.

    Parameters
    ----------
    found : ndarray of shape (n, feature_dim)
        Features of an engine.
    expected : ndarray of shape (n, feature_dim)
        Features of TensorFlow.

    Returns
    -------
    float
        Norm of the difference of a row divided by the norm of the expected row, maximum over rows;
        inf if the shapes differ or `found` is not finite.

    Notes
    -----
    Relative to the row and not to each feature: many features are zero or nearly so, and rounding
    there means nothing to a classifier.

    """
    import numpy as np

    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    norms = np.maximum(np.linalg.norm(expected, axis=1), np.finfo(np.float32).tiny)
    return float((np.linalg.norm(found - expected, axis=1) / norms).max())


def _installed() -> list[str]:
    return [name for name in CONVERTED if engine_version(name) is not None]


def _in_batches(compute: Compute, images: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    import numpy as np

    return np.concatenate([compute(images[i : i + size]) for i in range(0, len(images), size)])


def _require_close(difference: float) -> None:
    if not difference <= TOLERANCE:  # also true for nan
        raise ExtractionError(
            f"its features differ from TensorFlow's by {difference:.0e} of their norm, "
            f"at most {TOLERANCE:.0e} is allowed"
        )


def _rates(computes: Sequence[Compute], images: NDArray[np.float32]) -> list[float]:
    """Measure the images per second of each function, as the best of several passes."""
    # The first pass allocates memory and compiles, so it is not counted.
    for compute in computes:
        compute(images)
    best = [float("inf")] * len(computes)
    started, rounds = time.perf_counter(), 0
    # Interleave the passes, so that background load affects all engines equally. The minimum of the
    # times is the least disturbed measurement.
    while rounds < 2 or time.perf_counter() - started < _SECONDS_PER_ENGINE * len(computes):
        for place, compute in enumerate(computes):
            start = time.perf_counter()
            compute(images)
            best[place] = min(best[place], time.perf_counter() - start)
        rounds += 1
    return [len(images) / seconds for seconds in best]
