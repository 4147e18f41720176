"""Make scikit-learn's linear support vector machine."""

from __future__ import annotations

import math
from typing import Any

from sklearn.svm import LinearSVC

from stackkit.api import UsageError


def linear_svm(*, seed: int, **options: Any) -> LinearSVC:
    """`sklearn.svm.LinearSVC(dual=True)`, what `LinearSVC()` meant when the recipe was written.

    Today's default picks the primal solver for CUB's shape, some 35 times slower to the same
    optimum.
    """
    _require_usable(seed=seed, **options)
    return LinearSVC(dual=True, random_state=seed, **options)


def _require_usable(*, seed: int, C: float, max_iter: int, tol: float, **_: Any) -> None:
    """scikit-learn would refuse these at the first fit only, hours after extraction began."""
    for name, value in {"C": C, "max_iter": max_iter, "tol": tol}.items():
        if not 0 < value < math.inf:
            raise UsageError(f"option {name}={value}: a finite number above 0 is wanted")
    if not 0 <= seed < 2**32:
        raise UsageError(f"option seed={seed}: a number from 0 to 4294967295 is wanted")
