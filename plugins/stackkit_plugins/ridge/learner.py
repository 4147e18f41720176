"""Create the learner `ridge`."""

from __future__ import annotations

from typing import Any

from stackkit_plugins.ridge.ridge import RidgeLeaveOneOut
from stackkit_plugins.shared.linear_learners.normalisation import with_normalisation


def ridge(*, normalise: str, **options: Any) -> Any:
    """Create a `RidgeLeaveOneOut` with `options`, behind `with_normalisation`."""
    return with_normalisation(RidgeLeaveOneOut(**options), normalise)
