"""Draw a share of the images of each class as test images, and train on the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import EvaluationError
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.groups import Groups, class_counts

LEAST_OF_A_CLASS = 2
"""Images, or groups of images, that each class needs: one to train on and one to test."""

_MOST_NAMES = 10
"""How many classes an error lists."""


def holdout_draws(
    labels: NDArray[np.int64],
    classes: Sequence[str],
    share: float,
    *,
    seed: int,
    repeats: int = 1,
    remedy: str = "leave the classes out",
    groups: Groups | None = None,
) -> list[Fold]:
    """Draw test images at random, stratified by class.

    Parameters
    ----------
    labels, groups : ndarray of shape (n_samples,), int64; `groups` may be None
        Rows of one group are always in the same part.
    classes : sequence of str
        Class names; a label is an index into them.
    share : float
        Share of the images of each class to test, in (0, 1). It is rounded to whole images, at least 1
        and at most all but one, and met as closely as groups allow.
    seed, repeats : int
        Draw r is seeded with ``seed + r``.
    remedy : str
        What the user can do about classes that are too small, for the error.

    Returns
    -------
    list of Fold
        One entry per draw. Every class has images in both parts.

    Raises
    ------
    EvaluationError
        If fewer than two classes have images, or a class cannot have images in both parts.

    """
    present = np.unique(labels)
    if len(present) < 2:
        raise EvaluationError(f"training needs images of at least two classes, got {len(present)}")
    _require_two_each("usable image", labels, classes, f"{remedy}, or add images")
    if groups is None:
        groups = np.arange(len(labels))
    drawing = _Drawing(labels, groups, share)
    more_groups = "leave the classes out, or add images of other groups"
    _require_two_each("group of images", drawing.labels_of_groups, classes, more_groups)
    generators = (np.random.default_rng(seed + repeat) for repeat in range(repeats))
    return [_fold(drawing, groups, classes, each) for each in generators]


def _require_two_each(what: str, labels: NDArray[np.int64], classes: Sequence[str], remedy: str) -> None:
    present, sizes = np.unique(labels, return_counts=True)
    if small := [classes[int(label)] for label in present[sizes < LEAST_OF_A_CLASS]]:
        raise EvaluationError(
            f"--holdout needs an image to train on and one to test of each class, but {_named(small)} "
            f"a single {what}; {remedy}"
        )


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_MOST_NAMES]))
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"1 class has ({shown})" if len(names) == 1 else f"{len(names)} classes have ({shown}{more})"


def _fold(
    drawing: _Drawing, groups: Groups, classes: Sequence[str], random: np.random.Generator
) -> Fold:
    chosen, never = drawing.draw(random)
    if never:
        raise EvaluationError(
            f"groups cannot be divided for --holdout: {_named([classes[label] for label in never])} no "
            "group that can be tested while every class keeps images to train on; add images of other "
            "groups, or use --cv"
        )
    in_test = chosen[groups]
    return Fold(train=np.flatnonzero(~in_test), test=np.flatnonzero(in_test))


class _Drawing:
    """What a draw needs of the rows: the classes in each group, and how many images to test of each."""

    def __init__(self, labels: NDArray[np.int64], groups: Groups, share: float) -> None:
        self._members = class_counts(labels, groups)
        self.labels_of_groups = np.array([label for each in self._members for label in each])
        sizes = np.bincount(labels)
        # Both parts get images of every class.
        self._targets: list[float] = np.minimum(
            np.maximum(np.round(share * sizes), 1), sizes - 1
        ).tolist()
        self._sizes: list[int] = sizes.tolist()

    def draw(self, random: np.random.Generator) -> tuple[NDArray[np.bool_], list[int]]:
        """Return which groups are tested, (n_groups,), and the classes that cannot be."""
        tested = [0] * len(self._sizes)
        chosen = np.zeros(len(self._members), dtype=bool)
        order = random.permutation(len(self._members)).tolist()

        def take(group: int) -> None:
            chosen[group] = True
            for label, count in self._members[group].items():
                tested[label] += count

        for group in order:
            if self._closer(group, tested) and self._trainable(group, tested):
                take(group)
        never = []
        for label, size in enumerate(self._sizes):
            # All groups of a class may be more than twice its target. The smallest is nearest to it.
            for group in self._smallest_first(label, order) if size and not tested[label] else ():
                if self._trainable(group, tested):
                    take(group)
                    break
            if size and not tested[label]:
                never.append(label)
        return chosen, never

    def _closer(self, group: int, tested: Sequence[int]) -> bool:
        """Return whether a group brings its classes closer to their targets, taken together."""
        return (
            sum(
                abs(self._targets[label] - tested[label])
                - abs(self._targets[label] - tested[label] - count)
                for label, count in self._members[group].items()
            )
            > 0
        )

    def _trainable(self, group: int, tested: Sequence[int]) -> bool:
        """Return whether every class keeps images to train on without a group."""
        return all(
            tested[label] + count < self._sizes[label] for label, count in self._members[group].items()
        )

    def _smallest_first(self, label: int, order: Sequence[int]) -> list[int]:
        of_class = [group for group in order if label in self._members[group]]
        return sorted(of_class, key=lambda group: sum(self._members[group].values()))
