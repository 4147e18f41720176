"""Random probabilities of many shapes, for properties that hold for any learners."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from stackkit_plugins.shared.probabilities import FLOOR

Stack: TypeAlias = tuple[np.ndarray, np.ndarray]
"""(n_learners, n, n_classes) probabilities and (n,) labels."""

many = settings()
"""Settings of property tests: those of the profile that tests/conftest.py loads."""


@st.composite
def stacks(draw: Any, *, coarse: bool | None = None, learners: int = 5) -> Stack:
    """Draw up to 5 classes and 30 rows; coarse ones are multiples of 1/4, with many zeros and ties."""
    shape = (
        draw(st.integers(1, learners), label="learners"),
        draw(st.integers(1, 30), label="rows"),
        draw(st.integers(2, 5), label="classes"),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    labels = random.integers(shape[2], size=shape[1])
    sharpness = draw(st.sampled_from([0.0, 1.0, 4.0]), label="sharpness")
    scores = random.gumbel(size=shape) + sharpness * np.eye(shape[2])[labels]
    smooth = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    if draw(st.booleans(), label="coarse") if coarse is None else coarse:
        return random.multinomial(4, smooth) / 4, labels
    return smooth, labels


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the log-loss of (n, n_classes) probabilities, with the floor that aggregators use."""
    given = probabilities[np.arange(len(labels)), labels]
    return -float(np.log(np.maximum(given, FLOOR)).mean())


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the fraction of rows where the label has the highest probability."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))
