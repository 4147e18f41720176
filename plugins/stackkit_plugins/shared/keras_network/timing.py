"""Measure the speed of engines, where that can pay off."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackkit_plugins.shared.keras_network.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.shared.keras_network.engines import Compute

MIN_ADVANTAGE = 1.1
"""How much faster an engine must be to replace the one of the table, so that noise does not decide."""

TIMED_IMAGES = 300
"""Images that the measurements compute, roughly; for predicting how long they take."""

# The time that is saved must be this many times the time that the measurements take.
_RETURN = 10
# A larger batch must be this much faster, as it also needs more memory.
_MIN_GAIN = 1.03
_SECONDS_PER_ENGINE = 0.5


def pays_off(*, trial_s: float, images: int | None, images_per_s: float | None) -> bool:
    """Return whether timing the alternatives is expected to save ten times what it takes.

    Parameters
    ----------
    trial_s : float
        How long that would take, in seconds; 0 if there is nothing to time.
    images : int or None
        Images to compute; None if unknown.
    images_per_s : float or None
        Speed of the engine that is used otherwise.

    Notes
    -----
    What it would save is not known beforehand. Assumed is the least for which an engine is replaced,
    see `MIN_ADVANTAGE`.

    """
    if not (trial_s and images and images_per_s):
        return False
    saved = images / images_per_s * (1 - 1 / MIN_ADVANTAGE)
    return saved >= _RETURN * trial_s


def rate(compute: Compute, images: NDArray[np.float32]) -> float:
    """Return the images per second of one pass; the caller has made one before, which is slower."""
    start = time.perf_counter()
    compute(images)
    return len(images) / max(time.perf_counter() - start, 1e-9)


def rates(computes: Sequence[Compute], images: NDArray[np.float32]) -> list[float]:
    """Return the images per second of each function, as the best of several passes."""
    # The first pass allocates memory and compiles, so it is not counted.
    for compute in computes:
        compute(images)
    best = [0.0] * len(computes)
    started, rounds = time.perf_counter(), 0
    # Interleave the passes, so that background load affects all engines equally. The fastest pass is
    # the least disturbed measurement.
    while rounds < 2 or time.perf_counter() - started < _SECONDS_PER_ENGINE * len(computes):
        for place, compute in enumerate(computes):
            best[place] = max(best[place], rate(compute, images))
        rounds += 1
    return best


def best_batch(
    compute: Compute, images: NDArray[np.float32], *, smallest: int, largest: int
) -> tuple[int, float]:
    """Double the batch size while that is faster; return it with its images per second."""
    import numpy as np

    best, (speed,) = smallest, rates([compute], images[:smallest])
    while best < largest:
        try:
            # np.resize repeats images if there are fewer than the batch needs.
            (faster,) = rates([compute], np.resize(images, (best * 2, *images.shape[1:])))
        except Exception as error:
            if is_out_of_memory(error):
                break
            raise
        if faster < speed * _MIN_GAIN:
            break
        best, speed = best * 2, faster
    return best, speed
