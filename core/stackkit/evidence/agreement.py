"""Count on which images networks agree, which is what limits the gain of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.outcomes import Outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How many of the networks are right about the same images.

    Images that are predicted in several repeats count once, spread over what happened to them.

    Parameters
    ----------
    backbones : tuple of str
        The networks, each by its first learner, which is the row that is compared.
    images : ndarray of shape (n_backbones + 1,), float64
        Number of images that 0, 1, ... of the rows get right.
    stack_right : ndarray of shape (n_backbones + 1,), float64
        How many of these the stack gets right.
    only : ndarray of shape (n_backbones,), float64
        Number of images that only this row gets right.
    only_stack_right : ndarray of shape (n_backbones,), float64
        How many of these the stack gets right.

    """

    backbones: tuple[str, ...]
    images: NDArray[np.float64]
    stack_right: NDArray[np.float64]
    only: NDArray[np.float64]
    only_stack_right: NDArray[np.float64]

    @property
    def oracle(self) -> float:
        """Accuracy of always choosing a network that is right, where there is one."""
        return float(1 - self.images[0] / self.images.sum())


def agreement(document: dict[str, Any], outcomes: Outcomes, stack: int) -> Agreement | None:
    """Compare the first learner of each backbone, and the stack with them.

    Parameters
    ----------
    document : dict
        Content of report.json.
    outcomes : Outcomes
        What was predicted.
    stack : int
        Position of the row to compare with them.

    Returns
    -------
    Agreement or None
        None with fewer than two backbones.

    """
    first: dict[str, int] = {}
    for number, each in enumerate(document["results"]):
        if each["kind"] == "learner" and len(each["backbones"]) == 1:
            first.setdefault(each["backbones"][0], number)
    if len(first) < 2:
        return None
    _, place = np.unique(outcomes.image, return_inverse=True)
    weights = 1 / np.bincount(place)[place]
    right = np.array([outcomes.rows[row].predicted == outcomes.true for row in first.values()])
    of_stack = weights * (outcomes.rows[stack].predicted == outcomes.true)
    often = right.sum(axis=0)
    alone = right & (often == 1)
    return Agreement(
        backbones=tuple(first),
        images=_sums(often, weights, len(first)),
        stack_right=_sums(often, of_stack, len(first)),
        only=(alone * weights).sum(axis=1),
        only_stack_right=(alone * of_stack).sum(axis=1),
    )


def _sums(often: NDArray[np.int64], weights: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(often, weights=weights, minlength=most + 1), dtype=np.float64)
