"""Hold engines against TensorFlow on real images, time those that pass, and find the fastest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stackkit.api import ExtractionError
from stackkit_plugins.keras_network.cache import EngineCache, Trial
from stackkit_plugins.keras_network.engines import CONVERTED, engine, engine_version
from stackkit_plugins.keras_network.memory import is_out_of_memory
from stackkit_plugins.keras_network.options import Running

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.keras_network.engines import Compute
    from stackkit_plugins.keras_network.network import Network

TOLERANCE = 1e-4
"""Largest difference from TensorFlow that an engine is trusted with, relative to a row's norm."""

PROBE = 32
"""Images that a trial wants; a job of fewer is over before a trial would be."""

DEFAULT_BATCH = 32
_FEW = 8
_GAIN = 1.03
_SECONDS = 0.5
_MOST_ON_CPU, _MOST_ON_GPU = 32, 256


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The trials of one backbone's engines.

    `network` gives the network on TensorFlow, built when it is first asked for.
    """

    name: str
    size: int
    running: Running
    cache: EngineCache
    network: Callable[[], Network]
    tell: Callable[[str], None]

    def recalled(self) -> Trial | None:
        """What an earlier trial found for the same settings on this machine."""
        return self.cache.recall(self.running)

    def compares_engines(self, probe: NDArray[np.uint8]) -> bool:
        """Whether `settle` needs more than TensorFlow; a job of a few images is over before that."""
        if self.running.engine == "auto":
            return self.running.precision == "float32" and bool(_installed()) and len(probe) >= PROBE
        return self.running.engine != "tensorflow"

    def settle(self, probe: NDArray[np.uint8]) -> Trial:
        """Find what is to compute and how, and remember it if there were enough images for a trial.

        Raises ExtractionError if the engine that was asked for fails or differs from TensorFlow.
        """
        import numpy as np

        images = probe.astype(np.float32)
        if self.compares_engines(probe) and not self._is_settled_by_a_gpu():
            return self._compared(images)
        trial = self.on_tensorflow()
        if len(probe) >= PROBE:
            trial = self._with_best_batch(trial, self.network().compute, images)
            self._remember(trial)
        return trial

    def lowered(self, trial: Trial, batch_size: int) -> Trial:
        """A trial with the batch that there is memory for, kept for later runs if the trial was."""
        lower = replace(trial, batch_size=batch_size)
        if self.recalled() == trial:
            self._remember(lower)
        return lower

    def compute(self, trial: Trial) -> Compute:
        """The function that a trial settled on."""
        if trial.engine == "tensorflow":
            return self.network().compute
        folder = self.cache.folder / trial.folder
        return engine(trial.engine).load(folder, size=self.size, threads=self.running.threads)

    def on_tensorflow(self) -> Trial:
        """TensorFlow, untried."""
        device = "gpu" if self.network().on_gpu else "cpu"
        return Trial(
            engine="tensorflow", device=device, batch_size=self.running.batch_size or DEFAULT_BATCH
        )

    def _is_settled_by_a_gpu(self) -> bool:
        return self.running.engine == "auto" and self.network().on_gpu

    def _compared(self, images: NDArray[np.float32]) -> Trial:
        """The fastest of the engines that may be used and give TensorFlow's features."""
        wanted = self.running.engine
        self.tell(f"{self.name}: a short trial of engines, kept for the next time")
        on_tensorflow = self.network().compute
        reference = _in_batches(on_tensorflow, images, _FEW)
        found: list[tuple[Trial, Compute]] = []
        if wanted == "auto":
            found.append((self.on_tensorflow(), on_tensorflow))
        is_settled = True
        for name in _installed() if wanted == "auto" else [wanted]:
            try:
                found.append(self._converted(name, images, reference))
            except Exception as error:  # whatever an engine raises, it is that engine's failure
                is_settled &= not isinstance(error, OSError | MemoryError)  # another day it may work
                self._refuse(name, error)
        rates = _rates([compute for _, compute in found], images[:_FEW])
        if len(found) > 1:
            words = [f"{t.engine} {rate:.1f}" for (t, _), rate in zip(found, rates, strict=True)]
            self.tell(f"{self.name}: images/s with {', '.join(words)}")
        best, compute = found[rates.index(max(rates))]
        if len(images) >= PROBE:
            best = self._with_best_batch(best, compute, images)
        best = self._confirmed(best, compute, images, reference)
        for lost, _ in found:
            if lost.folder != best.folder:
                self.cache.drop(lost)
        if is_settled:
            self._remember(best)
        return best

    def _confirmed(
        self,
        trial: Trial,
        compute: Compute,
        images: NDArray[np.float32],
        reference: NDArray[np.float32],
    ) -> Trial:
        """Compare once more, all images in batches of the size that is going to be used."""
        if trial.engine == "tensorflow":
            return trial
        difference = largest_difference(_in_batches(compute, images, trial.batch_size), reference)
        try:
            _require_close(difference)
        except ExtractionError as error:
            self._refuse(trial.engine, error)
            return self.on_tensorflow()
        return replace(trial, difference=difference)

    def _refuse(self, name: str, error: Exception) -> None:
        refusal = f"{self.name}: {name} is refused: {' '.join(str(error).split())}"
        if self.running.engine == name:
            raise ExtractionError(f"{refusal}; use engine=tensorflow or auto") from error
        self.tell(refusal)

    def _converted(
        self, name: str, images: NDArray[np.float32], reference: NDArray[np.float32]
    ) -> tuple[Trial, Compute]:
        """Convert the network for an engine and compare its features with TensorFlow's."""
        folder, files = self._convert(name)
        batch = self.running.batch_size or DEFAULT_BATCH
        trial = Trial(engine=name, device="cpu", batch_size=batch, folder=folder, files=files)
        compute = self.compute(trial)
        _require_close(largest_difference(compute(images[:_FEW]), reference[:_FEW]))
        return trial, compute

    def _convert(self, name: str) -> tuple[str, dict[str, str]]:
        if known := self.cache.vouched_for(name):
            return known.folder, known.files
        with self.cache.converting() as scratch:
            graph, made = scratch / "graph.pb", scratch / "made"
            graph.write_bytes(self.network().frozen())
            made.mkdir()
            engine(name).convert(graph, made)
            return self.cache.adopt(name, made)

    def _with_best_batch(self, trial: Trial, compute: Compute, images: NDArray[np.float32]) -> Trial:
        """Find how many images per pass are fastest, and images per second with so many."""
        import numpy as np

        if self.running.batch_size:
            (rate,) = _rates([compute], images[: self.running.batch_size])
            return replace(trial, images_per_s=rate)
        most = _MOST_ON_GPU if trial.device == "gpu" else _MOST_ON_CPU
        best, (rate,) = _FEW, _rates([compute], images[:_FEW])
        while best < most:
            try:
                (faster,) = _rates([compute], np.resize(images, (best * 2, *images.shape[1:])))
            except Exception as error:
                if is_out_of_memory(error):
                    break
                raise
            if faster < rate * _GAIN:
                break
            best, rate = best * 2, faster
        return replace(trial, batch_size=best, images_per_s=rate)

    def _remember(self, trial: Trial) -> None:
        try:
            self.cache.remember(self.running, trial)
        except OSError as error:
            self.tell(f"{self.name}: the trial cannot be kept ({error}); it is repeated the next time")


def largest_difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Largest norm of a row's difference relative to the norm of the row wanted; inf for nonsense."""
    import numpy as np

    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf")
    norms = np.maximum(np.linalg.norm(wanted, axis=1), np.finfo(np.float32).tiny)
    return float((np.linalg.norm(found - wanted, axis=1) / norms).max())


def _installed() -> list[str]:
    return [name for name in CONVERTED if engine_version(name) is not None]


def _in_batches(compute: Compute, images: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    import numpy as np

    return np.concatenate([compute(images[i : i + size]) for i in range(0, len(images), size)])


def _require_close(difference: float) -> None:
    if not difference <= TOLERANCE:
        raise ExtractionError(
            f"its features differ from TensorFlow's by {difference:.0e} of their norm, "
            f"{TOLERANCE:.0e} is allowed"
        )


def _rates(computes: Sequence[Compute], images: NDArray[np.float32]) -> list[float]:
    """Images per second in the best of some passes, which take turns.

    What else the machine does meanwhile so hits all alike. The first passes, which allocate, do
    not count.
    """
    for compute in computes:
        compute(images)
    best = [float("inf")] * len(computes)
    started, rounds = time.perf_counter(), 0
    while rounds < 2 or time.perf_counter() - started < _SECONDS * len(computes):
        for place, compute in enumerate(computes):
            start = time.perf_counter()
            compute(images)
            best[place] = min(best[place], time.perf_counter() - start)
        rounds += 1
    return [len(images) / seconds for seconds in best]
