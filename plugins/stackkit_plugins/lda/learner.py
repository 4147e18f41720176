"""Create the learner `lda`."""

from __future__ import annotations

from typing import Any

from stackkit_plugins.lda.lda import ShrinkageLDA
from stackkit_plugins.shared.linear_learners.normalisation import with_normalisation
from stackkit_plugins.shared.linear_learners.updating import require_updatable


def lda(*, normalise: str, updatable: bool, class_weight: str | None, **options: Any) -> Any:
    """Create a `ShrinkageLDA` with `options`, behind `with_normalisation`."""
    require_updatable(updatable=updatable, normalise=normalise, class_weight=class_weight)
    learner = ShrinkageLDA(class_weight=class_weight, updatable=updatable, **options)
    return with_normalisation(learner, normalise)
