"""When the features of a fold are too many for one array in memory.

The limit is a number of bytes and never the memory of this machine, so that a run gives the same figures
on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.features import Features

LARGE_BYTES = 2**32
"""Features above this size are streamed to learners that have `fit_stored`."""

PORTION_BYTES = 2**26
"""Size of the features of which such a learner predicts at a time."""


def is_streamed(learner: Any, features: Features, n_rows: int) -> bool:
    """Return whether a learner reads so many rows of `features` in portions."""
    return hasattr(learner, "fit_stored") and 4 * features.width * n_rows > LARGE_BYTES


def predicted_together(
    learner: Any, features: Features, rows: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows that a learner predicts at a time: all at once, unless they are streamed."""
    if not is_streamed(learner, features, len(rows)):
        yield rows
        return
    size = max(1, PORTION_BYTES // (4 * features.width))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
