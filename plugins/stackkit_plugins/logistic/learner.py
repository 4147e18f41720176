"""Create logistic regressions: scikit-learn's, the batched solver, and the variant that tunes C."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from stackkit_plugins.logistic.minibatch import MinibatchLogistic
from stackkit_plugins.logistic.tuning import TunedLogistic
from stackkit_plugins.shared.linear_learners.normalisation import with_normalisation
from stackkit_plugins.shared.linear_solvers import BatchedLogisticRegression


def process_state(*, solver: str, **options: Any) -> tuple[str, ...] | None:
    """Return the process-wide state that a solver uses.

    scikit-learn's "newton-cholesky" lets LinAlgWarning raise, by filters of warnings that belong to the
    process and that nearly every fit saves and restores. It must therefore run alone.
    """
    return None if solver == "newton-cholesky" else ()


def logistic(*, C: float | str, seed: int, normalise: str, **options: Any) -> Any:
    """Create a multinomial logistic regression.

    Parameters
    ----------
    C : float or "auto"
        Inverse of the regularisation strength; "auto" selects it on held-out rows.
    seed : int
        Seed of solvers that shuffle and of the held-out rows.
    normalise : {"none", "standardise", "l2", "power"}
        See `with_normalisation`.
    **options
        `solver`, and further arguments of `LogisticRegression`.

    """
    if C == "auto":
        return TunedLogistic(
            with_normalisation(_multinomial(seed=seed, **options), normalise), seed=seed
        )
    return with_normalisation(_multinomial(C=C, seed=seed, **options), normalise)


def _multinomial(*, solver: str, seed: int, **options: Any) -> Any:
    if solver == "batched":
        return BatchedLogisticRegression(**options)  # it uses no random numbers
    return LogisticRegression(solver=solver, random_state=seed, **options)


def logistic_ovr(*, seed: int, normalise: str, **options: Any) -> Any:
    """Create what `LogisticRegression()` meant up to scikit-learn 0.21: liblinear, one-vs-rest.

    `predict_proba` returns each class's own probability divided by their sum.
    """
    liblinear = LogisticRegression(solver="liblinear", random_state=seed, **options)
    return with_normalisation(OneVsRestClassifier(liblinear), normalise)


def sgd_logistic(*, normalise: str, **options: Any) -> Any:
    """Create a `MinibatchLogistic` with `options`, behind `with_normalisation`."""
    return with_normalisation(MinibatchLogistic(**options), normalise)
