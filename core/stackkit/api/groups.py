"""Pass groups of training images to classifiers that divide these images themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def group_argument(
    fit: Callable[..., Any], groups: NDArray[np.int64] | None = None
) -> dict[str, NDArray[np.int64]]:
    """Return ``{"groups": groups}`` if there are groups and `fit` has a parameter of this name.

    Parameters
    ----------
    fit : callable
        `fit` of a learner or an aggregator.
    groups : ndarray of shape (n_samples,), int64, or None
        The group of each training row, numbered from 0; None if no rows share one.

    Returns
    -------
    dict
        Keyword arguments for ``fit(X, y, **group_argument(fit, groups))``; empty if it takes no groups.

    """
    if groups is None:
        return {}
    try:
        accepted = "groups" in inspect.signature(fit).parameters
    except (TypeError, ValueError):  # a function in C may have no signature
        return {}
    return {"groups": groups} if accepted else {}
