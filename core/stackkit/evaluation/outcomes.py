"""What every row of the table said about every image that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """How probable a classifier calls its answers.

    Parameters
    ----------
    of_true : ndarray of shape (n,), float32
        Probability of the true class.
    of_predicted : ndarray of shape (n,), float32
        Probability of the predicted class.

    """

    of_true: NDArray[np.float32]
    of_predicted: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """The answers of one row of the table, for each of n predictions.

    Parameters
    ----------
    predicted : ndarray of shape (n,), int32
        Predicted labels.
    rank : ndarray of shape (n,), int32, or None
        Number of classes that are more probable than the true one; 0 is right. None if the classifier
        does not order the classes.
    raw, calibrated : Certainty or None
        Probabilities as the classifier gives them, and after temperature scaling with a temperature that
        was found on other folds. None if the classifier gives none, or for `calibrated` if there is
        nothing to calibrate on.

    """

    predicted: NDArray[np.int32]
    rank: NDArray[np.int32] | None = None
    raw: Certainty | None = None
    calibrated: Certainty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What was predicted in a run; all statistics of a report are computed from it.

    Parameters
    ----------
    ids, fingerprints : sequence of str
        Of each image that was used, whether it was predicted or only trained on.
    labels : ndarray of shape (n_images,), int64
        True labels of these images.
    groups : ndarray of shape (n_images,), int64, or None
        Groups of the images; None if no two belong together.
    classes : sequence of str
        Class names; a label is an index into them.
    image, fold, repeat : ndarray of shape (n,), int64
        Of each prediction: the position of its image in `ids`, the fold and the repeat, from 0. Ordered
        by repeat, then by image.
    rows : sequence of RowOutcome
        One entry per row of the table, in the order of `Report.results`, then one per entry of
        `Report.references`.
    mean_probabilities : ndarray of shape (n_images, n_classes), float32, or None
        Mean of the base learners' probabilities of each image when it was left out, in the first repeat;
        NaN for images that were not. None if there are none, or if they would need too much memory.

    """

    ids: Sequence[str]
    fingerprints: Sequence[str]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    classes: Sequence[str]
    image: NDArray[np.int64]
    fold: NDArray[np.int64]
    repeat: NDArray[np.int64]
    rows: Sequence[RowOutcome]
    mean_probabilities: NDArray[np.float32] | None = None

    @property
    def true(self) -> NDArray[np.int64]:
        """True label of each prediction, (n,) int64."""
        return self.labels[self.image]

    @property
    def tested(self) -> NDArray[np.int64]:
        """Positions of the images that were predicted, ascending, (n_tested,) int64."""
        return np.unique(self.image)

    def correct(self) -> NDArray[np.float64]:
        """Return the share of right answers about each tested image.

        Returns
        -------
        ndarray of shape (n_tested, n_rows), float64
            The mean over the repeats; 0 or 1 without repeats. Rows of the array are those of `tested`.

        """
        tested, place = np.unique(self.image, return_inverse=True)
        often = np.bincount(place)
        hits = np.empty((len(tested), len(self.rows)))
        for number, row in enumerate(self.rows):
            right = (row.predicted == self.true).astype(np.float64)
            hits[:, number] = np.bincount(place, weights=right) / often
        return hits
