"""Create the learner `ridge`."""

from __future__ import annotations

from typing import Any

from stackkit_plugins.ridge.ridge import RidgeLeaveOneOut
from stackkit_plugins.shared.linear_learners.normalisation import with_normalisation
from stackkit_plugins.shared.linear_learners.updating import require_updatable


def ridge(*, normalise: str, updatable: bool, class_weight: str | None, **options: Any) -> Any:
    """Create a `RidgeLeaveOneOut` with `options`, behind `with_normalisation`."""
    require_updatable(updatable=updatable, normalise=normalise, class_weight=class_weight)
    learner = RidgeLeaveOneOut(class_weight=class_weight, updatable=updatable, **options)
    return with_normalisation(learner, normalise)
