"""class_weight=balanced is scikit-learn's where there is one, and a copy of the rare rows elsewhere."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC
from support.making import blobs, create, probabilities

from stackkit_plugins import (
    average_svm,
    ensemble_selection,
    linear_svm,
    logistic,
    stacked_logistic,
    voting,
)


@pytest.fixture
def few() -> tuple[np.ndarray, np.ndarray]:
    """Features of three classes, 40, 40 and 6 rows."""
    X, y = blobs()
    kept = np.concatenate([np.flatnonzero(y != 7), np.flatnonzero(y == 7)[:6]])
    return X[kept], y[kept]


def scikit_learns(name: str) -> Any:
    if name == "logistic":
        return LogisticRegression(class_weight="balanced", random_state=0)
    if name == "logistic-ovr":
        return OneVsRestClassifier(
            LogisticRegression(solver="liblinear", class_weight="balanced", random_state=0)
        )
    return LinearSVC(dual=True, class_weight="balanced", random_state=0)


@pytest.mark.parametrize("name", ["logistic", "logistic-ovr", "linear-svm", "calibrated-svm"])
def test_learners_predict_as_scikit_learns_with_the_same_weights(name, few):
    X, y = few
    plugin = logistic if name.startswith("logistic") else linear_svm
    found = create(plugin, name, class_weight="balanced").fit(X, y).predict(X)
    plain = create(plugin, name).fit(X, y).predict(X)
    expected = scikit_learns(name).fit(X, y).predict(X)
    assert found.tolist() == expected.tolist()
    assert np.sum(found == 7) >= np.sum(plain == 7)


@pytest.fixture
def stack() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three learners for 20 rows of class 0 and 40 of class 1, not very sharp."""
    labels = np.repeat([0, 1], [20, 40])
    return probabilities(labels, 0.8), labels


def test_average_svm_predicts_as_scikit_learns_machine_on_the_means(stack):
    known, labels = stack
    found = create(average_svm, class_weight="balanced").fit(known, labels).predict(known)
    means = known.mean(axis=0)
    expected = LinearSVC(dual=True, class_weight="balanced", random_state=0).fit(means, labels)
    assert found.tolist() == expected.predict(means).tolist()


@pytest.mark.parametrize(
    ("plugin", "name", "options"),
    [
        (stacked_logistic, "stacked-logistic", {"tol": 1e-9}),
        (voting, "weighted-vote", {"tol": 1e-12, "max_iter": 100_000}),
        (ensemble_selection, "ensemble-selection", {}),
        (ensemble_selection, "ensemble-selection", {"metric": "accuracy"}),
    ],
)
def test_weights_of_an_aggregator_are_those_with_the_rare_rows_twice(plugin, name, options, stack):
    known, labels = stack
    twice = np.concatenate([np.arange(60), np.arange(20)])
    # Balanced weights of the 60 rows are 1.5 and 0.75: those of the copied rows, times 0.75.
    scaled = {"C": 0.75} if name == "stacked-logistic" else {}
    balanced = create(plugin, name, class_weight="balanced", **options).fit(known, labels)
    copied = create(plugin, name, **options, **scaled).fit(known[:, twice], labels[twice])
    assert balanced.weights_ == pytest.approx(copied.weights_, abs=1e-4)
    assert (balanced.predict(known) == copied.predict(known)).all()
