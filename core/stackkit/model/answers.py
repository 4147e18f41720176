"""What a model says about some images, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model says about n images.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
        What the aggregator predicts: indices into the model's classes.
    probabilities : ndarray of shape (n, n_classes), float64
        Calibrated probabilities; each row sums to 1.
    votes : ndarray of shape (n_learners, n, n_classes), float32 or float64
        Probabilities of each base learner, not calibrated.
    novelty : ndarray of shape (n,), float64
        Share of the training images that look less unusual, from 0 to 1, as measured on images that were
        left out of the statistics.
    novel : ndarray of shape (n,), bool
        Whether the image looks unlike everything that the model was trained on.

    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    votes: NDArray[np.floating]
    novelty: NDArray[np.float64]
    novel: NDArray[np.bool_]
