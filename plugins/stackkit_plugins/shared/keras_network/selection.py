"""Select an engine: the one that is known to be fastest, if its features are TensorFlow's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stackkit.api import ExtractionError
from stackkit_plugins.shared.keras_network.engine_cache import EngineCache, EngineSelection
from stackkit_plugins.shared.keras_network.engine_table import engines_for
from stackkit_plugins.shared.keras_network.engines import engine
from stackkit_plugins.shared.keras_network.network import Network, NetworkDefinition
from stackkit_plugins.shared.keras_network.parity import (
    in_batches,
    largest_difference_of,
    require_close,
)
from stackkit_plugins.shared.keras_network.timing import (
    MIN_ADVANTAGE,
    TIMED_IMAGES,
    best_batch,
    pays_off,
    rate,
    rates,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.shared.keras_network.engines import Compute

MIN_IMAGES = 32
"""With fewer images to compute, TensorFlow is done before another engine would be set up."""

DEFAULT_BATCH = 32
"""Images per pass on a GPU, or without `prepare`."""

# The smallest batch with nearly full speed on a CPU. It takes little memory, and comparing features
# for one batch of it takes little time.
_CPU_BATCH = 8
# Without a trace TensorFlow keeps every layer's output until the end; these would take 100 MB an image.
_REFERENCE_BATCH = 2
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
    images : int or None
        Number of images to compute; None if unknown.

    """

    definition: NetworkDefinition
    cache: EngineCache
    network: Callable[[], Network]
    report: Callable[[str], None]
    images: int | None = None

    def recalled(self) -> EngineSelection | None:
        """Return an earlier selection for the same settings on this machine.

        None if there is none, or if it was not timed and so many images are to be computed that
        timing pays off.
        """
        selection = self.cache.recall(self.definition.settings)
        return None if selection and self._pays_to_time(selection) else selection

    def needs_engine(self, samples: int) -> bool:
        """Return whether `select` with so many sample images loads an engine besides TensorFlow."""
        settings = self.definition.settings
        if settings.engine != "auto":
            return settings.engine != "tensorflow"
        on_cpu = settings.precision == "float32" and settings.device != "gpu"
        return on_cpu and bool(self._candidates()) and self._are_enough(samples)

    def select(self, images: NDArray[np.uint8]) -> EngineSelection:
        """Select an engine and a batch size, and store the selection.

        Parameters
        ----------
        images : ndarray of shape (n, size, size, 3), uint8
            Sample images. If there are fewer than `MIN_IMAGES` images to compute, TensorFlow is selected
            unless another engine was requested, and that is not stored.

        Raises
        ------
        ExtractionError
            If the requested engine fails, or its features differ from TensorFlow's.

        """
        import numpy as np

        samples = images.astype(np.float32)
        # On a GPU TensorFlow is the only engine; if it was not requested by name, that settles it.
        on_gpu = self.definition.settings.engine == "auto" and self.network().on_gpu
        if not self.needs_engine(len(images)) or on_gpu:
            return self._tensorflow_for(samples)
        selection, compute, untried = self._first_equal(samples)
        if self._pays_to_time(selection):
            # Stored as timed beforehand: if an engine crashes now, this selection is what remains.
            self._remember(replace(selection, trial_s=0.0))
            selection = self._fastest(selection, compute, untried, samples)
        return selection

    def with_batch_size(self, selection: EngineSelection, batch_size: int) -> EngineSelection:
        """Return the selection with a smaller batch size; store it if the selection was stored."""
        smaller = replace(selection, batch_size=batch_size)
        if self.cache.recall(self.definition.settings) == selection:
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
        """Return the selection of TensorFlow without measuring anything."""
        on_gpu = self.network().on_gpu
        batch_size = self.definition.settings.batch_size or (DEFAULT_BATCH if on_gpu else _CPU_BATCH)
        return EngineSelection(
            engine="tensorflow", device="gpu" if on_gpu else "cpu", batch_size=batch_size
        )

    def _candidates(self) -> list[str]:
        requested = self.definition.settings.engine
        return engines_for(self.definition.name) if requested == "auto" else [requested]

    def _are_enough(self, samples: int) -> bool:
        return (self.images or samples) >= MIN_IMAGES and samples >= _CPU_BATCH

    def _pays_to_time(self, selection: EngineSelection) -> bool:
        return pays_off(
            trial_s=selection.trial_s, images=self.images, images_per_s=selection.images_per_s
        )

    def _tensorflow_for(self, images: NDArray[np.float32]) -> EngineSelection:
        selection, compute = self.on_tensorflow(), self.network().compute
        if not self._are_enough(len(images)):
            return selection
        batch = images[: selection.batch_size]
        compute(batch)  # builds and traces the network
        selection = self._with_rate(selection, rate(compute, batch), trial_s=0.0)
        if self._pays_to_time(selection):
            selection = self._with_best_batch(selection, compute, images)
        self._remember(selection)
        return selection

    def _first_equal(self, images: NDArray[np.float32]) -> tuple[EngineSelection, Compute, list[str]]:
        """Select the first candidate with TensorFlow's features; return also those not tried yet."""
        candidates, is_final = self._candidates(), True
        while candidates:
            name = candidates.pop(0)
            self.report(
                f"{self.definition.name}: setting up {name} once on this machine; the result is cached"
            )
            started = time.perf_counter()
            try:
                selection, compute = self._converted(name, images)
            except Exception as error:  # any error of an engine excludes this engine only
                # A full disk or little memory may be gone tomorrow: do not store the outcome.
                is_final &= not isinstance(error, OSError | MemoryError)
                self._reject(name, error)
                continue
            alike = (time.perf_counter() - started) * len(candidates)
            speed = rate(compute, images[: selection.batch_size])
            selection = self._with_rate(selection, speed, trial_s=alike)
            break
        else:
            selection, compute = self.on_tensorflow(), self.network().compute
        if is_final:
            self._remember(selection)
        return selection, compute, candidates

    def _converted(self, name: str, images: NDArray[np.float32]) -> tuple[EngineSelection, Compute]:
        """Convert the network for an engine, load it, and compare features of a few images."""
        folder, files = self._convert(name)
        batch_size = self.definition.settings.batch_size or _CPU_BATCH
        selection = EngineSelection(
            engine=name, device="cpu", batch_size=batch_size, folder=folder, files=files
        )
        compute = self.compute(selection)
        # One batch of the selected size: an engine may use another algorithm for another size, so a
        # small batch proves nothing about a large one.
        few = images[: max(batch_size, _CPU_BATCH)]
        return self._confirmed(selection, compute, few), compute

    def _convert(self, name: str) -> tuple[str, dict[str, str]]:
        if known := self.cache.converted(name):
            return known.folder, known.files
        with self.cache.converting() as scratch:
            graph, made = scratch / "graph.pb", scratch / "made"
            graph.write_bytes(self.network().frozen())
            made.mkdir()
            engine(name).convert(graph, made)
            return self.cache.adopt(name, made)

    def _confirmed(
        self, selection: EngineSelection, compute: Compute, images: NDArray[np.float32]
    ) -> EngineSelection:
        """Compare features of all images, in batches of the selected size; raises ExtractionError."""
        if selection.engine == "tensorflow":
            return selection
        expected = in_batches(self.network().reference, images, _REFERENCE_BATCH)
        found = in_batches(compute, images, selection.batch_size)
        difference = largest_difference_of(self.definition.poolings, found, expected)
        require_close(difference)
        return replace(selection, difference=difference)

    def _fastest(
        self,
        known: EngineSelection,
        compute: Compute,
        untried: list[str],
        images: NDArray[np.float32],
    ) -> EngineSelection:
        """Time the engines that were not tried and TensorFlow too, and batch sizes of the fastest."""
        name = self.definition.name
        self.report(f"{name}: timing engines, since there are {self.images:,} images to compute")
        racing = [(known, compute)]
        for candidate in untried:
            try:
                racing.append(self._converted(candidate, images))
            except Exception as error:
                self._reject(candidate, error)
        if self.definition.settings.engine == "auto":
            racing.append((self.on_tensorflow(), self.network().compute))
        speeds = rates([function for _, function in racing], images[:_CPU_BATCH])
        words = [f"{each.engine} {speed:.1f}" for (each, _), speed in zip(racing, speeds, strict=True)]
        self.report(f"{name}: images/s with {', '.join(words)}")
        place = speeds.index(max(speeds))
        best, compute = racing[place if speeds[place] >= speeds[0] * MIN_ADVANTAGE else 0]
        best = self._with_best_batch(best, compute, images)
        try:
            best = self._confirmed(best, compute, images)
        except ExtractionError as error:
            self.report(f"{name}: {best.engine} rejected at {best.batch_size} images per pass: {error}")
            best = replace(known, trial_s=0.0)
        self._remember(best)
        for selection, _ in racing:
            if selection.folder != best.folder:
                self.cache.drop(selection)
        return best

    def _with_rate(self, selection: EngineSelection, speed: float, *, trial_s: float) -> EngineSelection:
        """Add the speed, and how long it would take to try other batch sizes and engines."""
        nothing_else = self.definition.settings.batch_size and not trial_s
        trial_s = 0.0 if nothing_else else trial_s + TIMED_IMAGES / speed
        return replace(selection, images_per_s=speed, trial_s=trial_s)

    def _with_best_batch(
        self, selection: EngineSelection, compute: Compute, images: NDArray[np.float32]
    ) -> EngineSelection:
        """Find the fastest batch size, unless the user gave one."""
        if given := self.definition.settings.batch_size:
            (speed,) = rates([compute], images[:given])
            return replace(selection, images_per_s=speed, trial_s=0.0)
        largest = _MAX_BATCH_ON_GPU if selection.device == "gpu" else _MAX_BATCH_ON_CPU
        size, speed = best_batch(compute, images, smallest=_CPU_BATCH, largest=largest)
        return replace(selection, batch_size=size, images_per_s=speed, trial_s=0.0)

    def _reject(self, candidate: str, error: Exception) -> None:
        reason = " ".join(str(error).split())
        message = f"{self.definition.name}: engine {candidate} rejected: {reason}"
        if self.definition.settings.engine == candidate:
            raise ExtractionError(f"{message}; use engine=tensorflow or engine=auto") from error
        self.report(message)

    def _remember(self, selection: EngineSelection) -> None:
        try:
            self.cache.remember(self.definition.settings, selection)
        except OSError as error:
            self.report(
                f"{self.definition.name}: the selected engine cannot be cached ({error}); "
                "it will be set up again next time"
            )
