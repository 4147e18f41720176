"""Classifiers that are fitted on features: the protocols that learners implement."""

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


class StoredRows(Protocol):
    """Training rows that are read from disk a part at a time, in any order and as often as needed."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) labels of all rows, dtype int64, >= 0; they may have gaps."""

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """(n,) groups of all rows, dtype int64, as for `Learner.fit`; None if no rows share one."""

    @property
    def n_features(self) -> int:
        """Number of features of a row."""

    def read(self, rows: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Read some rows.

        Parameters
        ----------
        rows : ndarray of shape (m,), dtype int64
            Their numbers, each from 0 to n - 1. Neighbours that follow each other are read faster.

        Returns
        -------
        ndarray of shape (m, n_features), dtype float32
            A new array, in the order of `rows`.

        """


class StreamingLearner(Learner, Protocol):
    """A learner that can also be fitted on rows that do not fit in memory; optional.

    stackkit calls `fit_stored` instead of `fit` if the training rows have more than 4 GiB. Below, every
    learner is fitted with `fit`, so what a learner does there never depends on the machine.
    """

    def fit_stored(self, rows: StoredRows, /) -> object:
        """Fit the classifier, with memory that does not grow with the number of features in all rows.

        Parameters
        ----------
        rows : StoredRows
            What `fit` would get as arrays. Arrays with one value for each row may be held.

        Returns
        -------
        object
            Ignored. The classifier is the one that `fit` gives on the same rows, as far as its
            arithmetic allows; in what order and in what portions it reads them is its own business.

        """


class UpdatableLearner(Learner, Protocol):
    """A learner that goes on learning without the rows that it was fitted on; optional.

    Its spec has a bool option `updatable`. If it is True, the state of a fitted learner has what
    `LearnerSpec.update` needs, which may be large: statistics as big as (d, d).
    """

    def partial_fit(self, X: NDArray[np.float32], y: NDArray[np.int64], /) -> object:
        """Add rows, also of new classes.

        Parameters
        ----------
        X : ndarray of shape (n, d), dtype float32
            Features.
        y : ndarray of shape (n,), dtype int64
            Labels; those that are not in `classes_` are new classes.

        Returns
        -------
        object
            Ignored; scikit-learn's classifiers return self.

        """
