"""Hold engines against TensorFlow on real images, time those that pass, and find the fastest."""

from __future__ import annotations

import time
from collections.abc import Callable
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
        trial, compute = self.on_tensorflow(), None
        if self.compares_engines(probe) and not self._is_settled_by_a_gpu():
            trial, compute = self._fastest(images)
        if len(probe) < PROBE:
            return trial
        batch, rate = self._best_batch(compute or self.network().compute, images)
        trial = replace(trial, batch_size=batch, images_per_s=rate)
        self._remember(trial)
        return trial

    def compute(self, trial: Trial) -> Compute:
        """The function that a trial settled on."""
        return self._compute(trial.engine)

    def on_tensorflow(self) -> Trial:
        """TensorFlow, untried."""
        device = "gpu" if self.network().on_gpu else "cpu"
        return Trial(
            engine="tensorflow", device=device, batch_size=self.running.batch_size or DEFAULT_BATCH
        )

    def _is_settled_by_a_gpu(self) -> bool:
        return self.running.engine == "auto" and self.network().on_gpu

    def _compute(self, name: str) -> Compute:
        if name == "tensorflow":
            return self.network().compute
        folder = self.cache.converted(name)
        return engine(name).load(folder, size=self.size, threads=self.running.threads)

    def _fastest(self, images: NDArray[np.float32]) -> tuple[Trial, Compute]:
        """The fastest of the engines that may be used and give TensorFlow's features."""
        few, wanted = images[:_FEW], self.running.engine
        self.tell(f"{self.name}: a short trial of engines, kept for the next time")
        on_tensorflow = self.network().compute
        reference = on_tensorflow(few)
        found: list[tuple[float, Trial, Compute]] = []
        if wanted == "auto":
            found.append((_rate(on_tensorflow, few), self.on_tensorflow(), on_tensorflow))
        for name in _installed() if wanted == "auto" else [wanted]:
            try:
                trial, compute = self._converted(name, few, reference)
                found.append((_rate(compute, few), trial, compute))
            except Exception as error:  # whatever an engine raises, it is that engine's failure
                self._refuse(name, error)
        if len(found) > 1:
            rates = ", ".join(f"{trial.engine} {rate:.1f}" for rate, trial, _ in found)
            self.tell(f"{self.name}: images/s with {rates}")
        _, trial, compute = max(found, key=lambda each: each[0])
        return trial, compute

    def _refuse(self, name: str, error: Exception) -> None:
        refusal = f"{self.name}: {name} is refused: {' '.join(str(error).split())}"
        if self.running.engine == name:
            raise ExtractionError(f"{refusal}; use engine=tensorflow or auto") from error
        self.tell(refusal)

    def _converted(
        self, name: str, images: NDArray[np.float32], reference: NDArray[np.float32]
    ) -> tuple[Trial, Compute]:
        """Convert the network for an engine and compare its features with TensorFlow's."""
        files = self._convert(name)
        compute = self._compute(name)
        difference = largest_difference(compute(images), reference)
        if not difference <= TOLERANCE:
            raise ExtractionError(
                f"its features differ from TensorFlow's by {difference:.0e} of their norm, "
                f"{TOLERANCE:.0e} is allowed"
            )
        batch = self.running.batch_size or DEFAULT_BATCH
        trial = Trial(engine=name, device="cpu", batch_size=batch, difference=difference, files=files)
        return trial, compute

    def _convert(self, name: str) -> dict[str, str]:
        if files := self.cache.vouched_for(name):
            return files
        with self.cache.converting() as scratch:
            graph, made = scratch / "graph.pb", scratch / "made"
            graph.write_bytes(self.network().frozen())
            made.mkdir()
            engine(name).convert(graph, made)
            return self.cache.adopt(name, made)

    def _best_batch(self, compute: Compute, images: NDArray[np.float32]) -> tuple[int, float]:
        """The number of images per pass that is fastest, and images per second with it."""
        import numpy as np

        if self.running.batch_size:
            size = self.running.batch_size
            return size, _rate(compute, images[: min(size, len(images))])
        on_gpu = self.running.engine in {"auto", "tensorflow"} and self.network().on_gpu
        most = _MOST_ON_GPU if on_gpu else _MOST_ON_CPU
        best, rate = _FEW, _rate(compute, images[:_FEW])
        while best < most:
            try:
                faster = _rate(compute, np.resize(images, (best * 2, *images.shape[1:])))
            except Exception as error:
                if is_out_of_memory(error):
                    break
                raise
            if faster < rate * _GAIN:
                break
            best, rate = best * 2, faster
        return best, rate

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


def _rate(compute: Compute, images: NDArray[np.float32], *, seconds: float = 0.5) -> float:
    """Images per second in the best of some passes; the first, which allocates, does not count."""
    compute(images)
    best, started = float("inf"), time.perf_counter()
    while time.perf_counter() - started < seconds:
        start = time.perf_counter()
        compute(images)
        best = min(best, time.perf_counter() - start)
    return len(images) / best
