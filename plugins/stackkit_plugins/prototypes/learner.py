"""Create the learner `prototypes`."""

from __future__ import annotations

from typing import Any

from stackkit_plugins.prototypes.prototypes import CosinePrototypes
from stackkit_plugins.shared.linear_learners.normalisation import with_normalisation


def prototypes(*, normalise: str, **options: Any) -> Any:
    """Create `CosinePrototypes` with `options`, behind `with_normalisation`."""
    return with_normalisation(CosinePrototypes(**options), normalise)
