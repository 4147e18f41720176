"""Save and restore `average-svm`; what is restored needs neither mlxtend nor scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn, State
from stackkit_plugins.shared.linear_learners.fitted import FittedLinear
from stackkit_plugins.shared.linear_learners.saving import linear_state, restored_linear


class FittedAverageSVM:
    """A linear support vector machine on the mean of the learners' probabilities.

    Parameters
    ----------
    svm : FittedLinear
        The machine.
    n_learners : int
        Number of learners that it was fitted on.
    fit_on : {"in-sample", "out-of-fold"}
        What it was fitted on.

    Attributes
    ----------
    classes_ : ndarray of shape (n_seen,)
        Labels that have training samples, in the order of the decision values.

    """

    def __init__(self, svm: FittedLinear, *, n_learners: int, fit_on: FitOn) -> None:
        self.fit_on = fit_on
        self.n_learners = n_learners
        self.classes_ = svm.classes_
        self._svm = svm

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels."""
        return self._svm.predict(self._mean(probabilities))

    def decision_function(self, probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_seen); (n_samples,) for two classes."""
        return self._svm.decision_function(self._mean(probabilities))

    def _mean(self, probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        if len(probabilities) != self.n_learners:
            raise ValueError(
                f"fitted on {self.n_learners} learners, got probabilities of {len(probabilities)}"
            )
        # In C order as mlxtend has it: a sum over another layout may round differently.
        mean: NDArray[np.floating] = np.average(np.ascontiguousarray(probabilities), axis=0)
        return mean


def average_svm_state(fitted: Any) -> State:
    """Return coefficients, intercepts and classes of the machine."""
    svm = fitted.svm_
    found = linear_state(svm, coefficients=svm.coef_, intercepts=svm.intercept_, classes=svm.classes_)
    return State(values={**found.values, "learners": fitted.n_learners_}, arrays=found.arrays)


def restore_average_svm(state: State, *, fit_on: FitOn, **options: Any) -> FittedAverageSVM:
    """Return a fitted aggregator."""
    n_learners = state.values.get("learners")
    if type(n_learners) is not int or n_learners < 1:
        raise ValueError(f"the value learners must be an integer >= 1, got {n_learners!r:.80}")
    svm = restored_linear(state, normalise="none", link=None, one_row_for_two=True)
    return FittedAverageSVM(svm, n_learners=n_learners, fit_on=fit_on)
