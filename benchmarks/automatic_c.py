"""Compare `logistic:C=auto` with a search that fits every C exactly: choice, quality and cost.

    python benchmarks/automatic_c.py STORE           a feature store, such as ~/.stackkit/features

For each backbone with stored features, for two kinds of `normalise` and for each of three folds, prints
the C of the exact search (five inner folds, proven minima, no early end) and that of
`C=auto`, the accuracy and log-loss of both on the test fold, and the cost in iterations times rows,
relative to the iterations of the last fit alone.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from stackkit.evaluation.conditions import one_blas_thread
from stackkit.store.catalogue import entries
from stackkit.store.file import FeatureFile
from stackkit.store.metadata import read_contents
from stackkit_plugins.logistic.learner import logistic
from stackkit_plugins.logistic.tuning import PATH
from stackkit_plugins.shared.linear_learners.inner_splits import inner_splits
from stackkit_plugins.shared.linear_learners.normalisation import with_normalisation
from stackkit_plugins.shared.linear_solvers import BatchedLogisticRegression

Rows = NDArray[Any]
OPTIONS: dict[str, Any] = {
    "solver": "lbfgs",
    "max_iter": 1000,
    "tol": 1e-4,
    "fit_intercept": True,
    "class_weight": None,
    "seed": 0,
}


def exact_search(X: Rows, y: Rows, normalise: str) -> tuple[float, float]:
    """Return C with the lowest held-out log-loss, and the iterations times the share of rows."""
    losses, cost = dict.fromkeys(PATH, 0.0), 0.0
    for train, test in inner_splits(y, seed=0):
        walker = with_normalisation(BatchedLogisticRegression(warm_start=True, max_iter=2000), normalise)
        last = walker if normalise == "none" else walker[-1]
        for C in PATH:
            last.set_params(C=C)
            probabilities = walker.fit(X[train], y[train]).predict_proba(X[test])
            losses[C] += log_loss(y[test], probabilities, labels=last.classes_, normalize=False)
            cost += float(last.n_iter_[0]) * len(train) / len(y)
    return min(PATH, key=losses.__getitem__), cost


def figures(learner: Any, X: Rows, y: Rows) -> str:
    """Return accuracy in percent and log-loss on test rows."""
    probabilities = learner.predict_proba(X)
    accuracy = 100 * float((learner.predict(X) == y).mean())
    return f"{accuracy:5.1f} {log_loss(y, probabilities, labels=learner.classes_):.4f}"


def compare(X: Rows, y: Rows, normalise: str) -> None:
    """Print one line for each fold."""
    for train, test in StratifiedKFold(3).split(X, y):
        best, cost = exact_search(X[train], y[train], normalise)
        exact = logistic(C=best, normalise=normalise, **OPTIONS).fit(X[train], y[train])
        tuned = logistic(C="auto", normalise=normalise, **OPTIONS).fit(X[train], y[train])
        last = tuned.estimator_ if normalise == "none" else tuned.estimator_[-1]
        one = float(last.n_iter_[0])
        print(
            f"  {normalise:6} exact C={best:<8.3g} {figures(exact, X[test], y[test])} cost "
            f"{1 + cost / one:5.1f}   auto C={tuned.C_:<8.3g} {figures(tuned, X[test], y[test])} cost "
            f"{1 + tuned.search_cost_ / one:4.1f} ({tuned.search_cost_:.0f} + {one:.0f} iterations)",
            flush=True,
        )


def main() -> None:
    """Read each file of the store and compare on it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    warnings.simplefilter("ignore", ConvergenceWarning)
    for entry in sorted(entries(parser.parse_args().store), key=lambda entry: str(entry.path)):
        contents = read_contents(entry.path)
        with FeatureFile(entry.path, contents, writable=False) as file:
            kept = file.intact()
            X = file.read()[kept]
        y = np.array([sample.label for sample in contents.rows.samples])[kept]
        print(f"{contents.key.name}: {len(y)} images")
        for normalise in ("power", "none"):
            with one_blas_thread():
                compare(X, y, normalise)


if __name__ == "__main__":
    main()
