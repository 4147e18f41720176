"""Bring features to a common scale before a linear learner, by scikit-learn's own transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler


def normalised(learner: Any, normalise: str) -> Any:
    """The learner behind the transformers that `normalise` names; itself for "none".

    Means and variances are those of the rows that `fit` gets. Constant columns and rows of
    zeros become zeros; float32 stays float32.
    """
    match normalise:
        case "none":
            return learner
        case "standardise":
            return make_pipeline(StandardScaler(), learner)
        case "l2":
            return make_pipeline(Normalizer(), learner)
        case "power":  # Perronnin et al. (2010): first the root, then the length
            return make_pipeline(FunctionTransformer(signed_root), Normalizer(), learner)
    raise ValueError(f"normalise={normalise} is not known")


def signed_root(X: NDArray[np.floating]) -> NDArray[np.floating]:
    """Square roots of the absolute values, with the values' signs; shape and dtype stay."""
    roots: NDArray[np.floating] = np.copysign(np.sqrt(np.abs(X)), X)
    return roots
