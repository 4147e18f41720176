"""Create the learner `lda`."""

from __future__ import annotations

from typing import Any

from stackkit_plugins.lda.lda import ShrinkageLDA
from stackkit_plugins.shared.linear_learners.normalisation import with_normalisation


def lda(*, normalise: str, **options: Any) -> Any:
    """Create a `ShrinkageLDA` with `options`, behind `with_normalisation`."""
    return with_normalisation(ShrinkageLDA(**options), normalise)
