"""Meta-classifiers: the protocols that aggregators implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from stackkit.api.learner import Learner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FitOn = Literal["in-sample", "out-of-fold", "features"]
"""What an aggregator is fitted on; the type of its attribute `fit_on`.

- "in-sample": probabilities of the training rows from learners that were fitted on the same rows.
  They are overconfident. Use it for aggregators that learn nothing; the published recipe uses it too.
- "out-of-fold": probabilities of each training row from learners that were not fitted on this row.
  Use it for aggregators that learn weights.
- "features": the features of all backbones instead of probabilities; see `FeatureAggregator`.
"""


class Aggregator(Protocol):
    """A meta-classifier that combines the class probabilities of the base learners.

    Notes
    -----
    There is one base learner per backbone, in the order of the backbones. Results must not depend on
    this order. An aggregator that depends on it declares so by an attribute `ordered = True`.

    References
    ----------
    D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.

    K. M. Ting and I. H. Witten, "Issues in stacked generalization", Journal of Artificial Intelligence
    Research 10, 1999.

    """

    @property
    def fit_on(self) -> FitOn:
        """The probabilities of the training rows that `fit` receives: "in-sample" or "out-of-fold".

        The third value, "features", makes it a `FeatureAggregator`, which has other parameters.
        """

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> object:
        """Fit the aggregator.

        Parameters
        ----------
        probabilities : ndarray of shape (n_learners, n_samples, n_classes), dtype float32 or float64
            Class probabilities of the training rows, from 0 to 1; each row sums to 1.
        labels : ndarray of shape (n_samples,), dtype int64
            Labels from 0 to n_classes - 1.

        Returns
        -------
        object
            Ignored.

        """

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """Predict labels.

        Parameters
        ----------
        probabilities : ndarray of shape (n_learners, n_samples, n_classes), dtype float32 or float64
            Class probabilities of new rows, with the learners in the same order as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), dtype int64
            Labels from 0 to n_classes - 1.

        """


class FeatureAggregator(Protocol):
    """A classifier on the features of all backbones, to compare stacking with."""

    @property
    def fit_on(self) -> Literal["features"]:
        """The text "features"."""

    def fit(
        self, features: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], learner: Learner
    ) -> object:
        """Fit the classifier.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_samples, d), dtype float32
            One array per backbone; d differs between backbones.
        labels : ndarray of shape (n_samples,), dtype int64
            Labels, >= 0.
        learner : Learner
            An unfitted copy of a learner that the run fits on each single backbone. With several
            learners, the aggregator is fitted with each of them.

        Returns
        -------
        object
            Ignored.

        """

    def predict(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
        """Predict labels.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_samples, d), dtype float32
            One array per backbone, in the same order as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), dtype int64
            Labels out of those seen in `fit`.

        """
