"""Check what a backbone says about how it is going to work."""

from __future__ import annotations

import json
import math
import operator
from dataclasses import replace
from typing import SupportsIndex

from stackkit.api.backbone import Readiness

DEFAULT_READINESS = Readiness(settings={}, batch_size=32)
"""For backbones without `prepare`, and for those that have nothing to compute."""


def checked_readiness(readiness: Readiness) -> Readiness:
    """Return it with a batch size of type int; raises TypeError or ValueError if it is invalid."""
    if not isinstance(readiness, Readiness):
        raise TypeError(f"prepare must return a Readiness, got {type(readiness).__name__}")
    if not isinstance(readiness.settings, dict):
        raise TypeError(f"settings must be a dict, got {type(readiness.settings).__name__}")
    json.dumps(readiness.settings)  # raises TypeError now, and not when the file is created
    size = readiness.batch_size
    if not (isinstance(size, SupportsIndex) and size >= 1):  # NumPy's integers are allowed
        raise ValueError(f"batch_size must be an integer >= 1, got {size!r}")
    rate = readiness.images_per_s
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise ValueError(f"images_per_s must be a finite number > 0 or None, got {rate!r}")
    return replace(readiness, batch_size=operator.index(size))
