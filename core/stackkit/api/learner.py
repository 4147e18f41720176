"""Classifiers that are fitted on features: the protocol that learners implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Learner(Protocol):
    """An unfitted classifier with scikit-learn's interface.

    Notes
    -----
    A learner that has `probabilities=True` in its spec (the default) feeds aggregators. It also has:

    - `predict_proba(X)`, which takes (n, d) features and returns (n, n_classes) floats from 0 to 1, and
      each row sums to 1;
    - after fitting, `classes_`: the labels seen in `fit`, ascending, in the order of the columns.
      Labels may have gaps.

    A learner has `get_params` and `set_params`, because aggregators may clone it. Subclasses of
    `sklearn.base.BaseEstimator` inherit both if their constructor stores each argument as an attribute
    of the same name.

    A learner that divides its training rows, to tune or calibrate itself, can keep groups together: if
    `fit` has a third parameter `groups`, it is passed by name whenever the run has groups or several
    views of an image as training rows, as an ndarray of shape (n,), dtype int64, with equal numbers for
    rows of one group. Its default must be None. The same holds for `fit` of aggregators.
    `group_argument` passes it on to a learner.

    References
    ----------
    https://scikit-learn.org/stable/developers/develop.html

    """

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64], /) -> object:
        """Fit the classifier.

        Parameters
        ----------
        X : ndarray of shape (n, d), dtype float32
            Features.
        y : ndarray of shape (n,), dtype int64
            Labels, >= 0; they may have gaps.

        Returns
        -------
        object
            Ignored; scikit-learn's classifiers return self.

        """

    def predict(self, X: NDArray[np.float32], /) -> NDArray[np.int64]:
        """Predict labels.

        Parameters
        ----------
        X : ndarray of shape (n, d), dtype float32
            Features.

        Returns
        -------
        ndarray of shape (n,), dtype int64
            Labels out of those seen in `fit`.

        """
