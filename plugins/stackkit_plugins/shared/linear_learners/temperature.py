"""Turn scores into probabilities: softmax(factor * scores), with a factor found on held-out rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax


def fit_factor(values: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Find the factor for which softmax(factor * values) has the lowest log-loss.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_classes)
        Decision values of held-out rows.
    codes : ndarray of shape (n_samples,)
        Columns of the true classes.

    Returns
    -------
    float
        The inverse temperature, between exp(-10) and exp(10).

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017.

    """
    rows = np.arange(len(codes))

    def loss(logarithm: float) -> float:
        return -float(log_softmax(np.exp(logarithm) * values, axis=1)[rows, codes].mean())

    # Over the logarithm, which keeps the factor positive. The bounds matter where all rows are
    # classified correctly: the loss then falls for ever.
    return float(np.exp(minimize_scalar(loss, bounds=(-10, 10)).x))


def can_be_held_out(
    codes: NDArray[np.int64], groups: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Return which rows a fit without their group can classify, because it still knows their class.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Classes of the rows, numbered from 0.
    groups : ndarray of shape (n_samples,) or None
        Rows with the same number are held out together; None: each row alone.

    Returns
    -------
    ndarray of shape (n_samples,)

    """
    of_class = codes if groups is None else np.unique(np.stack([codes, groups]), axis=1)[0]
    known: NDArray[np.bool_] = np.bincount(of_class)[codes] > 1
    return known


def calibrated_factor(
    temperature: float | str,
    left_out: Callable[[], NDArray[np.float64]],
    codes: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    *,
    otherwise: float,
    judged: NDArray[np.bool_] | None = None,
) -> float:
    """Return the factor of the scores for the option `temperature`.

    Parameters
    ----------
    temperature : float or "auto"
        Above 0; "auto" calibrates on left-out rows.
    left_out : callable
        Returns each row's scores, (n_samples, n_classes), by a fit without its group.
    codes, groups : ndarray
        See `can_be_held_out`.
    otherwise : float
        The temperature if no row can be left out; a warning names it.
    judged : ndarray of shape (n_samples,), bool, or None
        What `can_be_held_out` says of these rows among all, if they are not all.

    Returns
    -------
    float
        The inverse temperature.

    """
    if temperature != "auto":
        return 1 / float(temperature)
    judged = can_be_held_out(codes, groups) if judged is None else judged
    if not judged.any():
        images = "images" if groups is None else "groups"
        warnings.warn(
            f"no class has two {images}, so probabilities are not calibrated (temperature {otherwise})",
            UserWarning,
            stacklevel=3,
        )
        return 1 / otherwise
    return fit_factor(left_out()[judged], codes[judged])
