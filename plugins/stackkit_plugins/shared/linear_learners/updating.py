"""Linear learners whose state has the statistics of their rows, so that rows can be added later."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import State, UsageError
from stackkit_plugins.shared.checked_states import array_of, classes_of
from stackkit_plugins.shared.linear_learners.fitted import parameters
from stackkit_plugins.shared.linear_learners.saving import positive_factor

if TYPE_CHECKING:
    from stackkit_plugins.shared.linear_learners.class_statistics import ClassStatistics

PART = "statistics"
"""Name of the part of a state."""

LARGEST = float(np.finfo(np.float32).max)


def require_updatable(*, updatable: bool, normalise: str, class_weight: str | None) -> None:
    """Raise UsageError for options with which old rows would have to be read again."""
    if updatable and normalise == "standardise":
        raise UsageError(
            "updatable=true cannot be combined with normalise=standardise, which depends on all rows; "
            "use power, l2 or none"
        )
    if updatable and class_weight is not None:
        raise UsageError(
            f"updatable=true cannot be combined with class_weight={class_weight}, which depends on all "
            "rows; remove one of them"
        )


def statistics_part(fitted: Any, **values: float) -> dict[str, State]:
    """Return the parts of the state of a fitted learner: none unless it is updatable."""
    statistics: ClassStatistics | None = getattr(parameters(fitted), "statistics_", None)
    if statistics is None:
        return {}
    # One triangle of a symmetric matrix, row by row: half the size.
    lower = [row[: i + 1] for i, row in enumerate(statistics.lower)]
    arrays = {
        "counts": statistics.counts,
        "means": statistics.means,
        "scatter": np.concatenate(lower),
    }
    return {PART: State(values=values, arrays=arrays)}


def statistics_from(state: State, text: str) -> ClassStatistics:
    """Return the statistics in the state of a learner; raises ValueError if there are none."""
    # SciPy: a model that only predicts opens without it.
    from stackkit_plugins.shared.linear_learners.class_statistics import ClassStatistics

    if (part := state.parts.get(PART)) is None:
        raise ValueError(f"it keeps no statistics of its rows; train the model with {text}")
    classes = classes_of(state, at_least=2)
    counts = array_of(part, "counts", (len(classes),), "i")
    means = array_of(part, "means", (len(classes), None))
    d = means.shape[1]
    packed = array_of(part, "scatter", (d * (d + 1) // 2,))
    if not (counts > 0).all():
        raise ValueError(f"counts must be above 0, got {counts.min()}")
    if (largest := float(np.abs(means).max())) > LARGEST:
        raise ValueError(f"means must be means of float32 numbers, got {largest:g}")
    found = ClassStatistics(classes, d)
    found.counts[:], found.means[:] = counts, means
    ends = np.cumsum(np.arange(1, d + 1))
    for i, end in enumerate(ends):
        found.lower[i, : i + 1] = packed[end - i - 1 : end]
    if not (found.lower.diagonal() >= 0).all():
        raise ValueError(f"scatter must not be negative, got {found.lower.diagonal().min()}")
    return found


def updated(
    learner: Any,
    state: State,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    *,
    text: str,
    to_state: Callable[[Any], State],
    **attributes: Any,
) -> State:
    """Return the state of a learner with more rows.

    Parameters
    ----------
    learner : estimator
        An unfitted one with the same options, maybe in a pipeline.
    state : State
        Of the fitted one.
    X, y : ndarray
        More rows, (n, d), and their labels, (n,); without rows the state is checked and returned.
    text : str
        How a user makes it updatable, for messages.
    to_state : callable
        Takes the fitted learner; returns its state.
    **attributes
        What the fitted learner has besides classes, statistics and the factor.

    """
    last, statistics = parameters(learner), statistics_from(state, text)
    known = {"classes_": statistics.classes, "factor_": positive_factor(state), **attributes}
    vars(last).update(known, statistics_=statistics)
    if X.shape[1] != (d := statistics.means.shape[1]):
        raise ValueError(f"expected features of shape (n, {d}), got {X.shape}")
    if not len(X):
        return state
    try:
        learner.partial_fit(X, y)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"its statistics are not those of any rows ({error})") from error
    if not (np.isfinite(last.coef_).all() and np.isfinite(last.intercept_).all()):
        raise ValueError("its statistics are too large for numbers of 64 bits")
    return to_state(learner)
