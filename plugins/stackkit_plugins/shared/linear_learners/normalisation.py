"""Bring features to a common scale before a linear learner, with scikit-learn's own transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler


def with_normalisation(learner: Any, normalise: str) -> Any:
    """Put a learner behind the transformers that `normalise` names.

    Parameters
    ----------
    learner : estimator
        A scikit-learn classifier.
    normalise : {"none", "standardise", "l2", "power"}
        Columns to mean 0 and variance 1; rows to length 1; or signed square roots, then "l2".

    Returns
    -------
    estimator
        A scikit-learn pipeline, or `learner` itself for "none". Means and variances are those of
        the rows that `fit` gets. Constant columns and rows of zeros become zeros; float32 stays
        float32.

    References
    ----------
    For "power": F. Perronnin, J. Sánchez and T. Mensink, "Improving the Fisher kernel for
    large-scale image classification", ECCV 2010.

    """
    match normalise:
        case "none":
            return learner
        case "standardise":
            return make_pipeline(StandardScaler(), learner)
        case "l2":
            return make_pipeline(Normalizer(), learner)
        case "power":  # the root comes first, as in the paper: l2 would undo a change of scale
            return make_pipeline(FunctionTransformer(signed_sqrt), Normalizer(), learner)
    raise ValueError(f"normalise must be none, standardise, l2 or power, got {normalise}")


def signed_sqrt(X: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return sign(X) * sqrt(abs(X)), with the shape and dtype of X."""
    roots: NDArray[np.floating] = np.copysign(np.sqrt(np.abs(X)), X)
    return roots
