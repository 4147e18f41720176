"""Figures of predictions and probabilities are those of scikit-learn and statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn import metrics
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

from stackkit.statistics.scores import (
    BINS,
    calibration_error,
    expected_calibration_error,
    log_loss,
    macro_f1,
    mean_log_loss,
    reliability_bins,
    top_k,
)

labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)
"""True and predicted labels, of which some classes are not used."""


def drawn(n: int = 400, n_classes: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    probabilities = softmax(2 * random.normal(size=(n, n_classes)), axis=1)
    return probabilities, np.array([random.choice(n_classes, p=row) for row in probabilities])


@given(labels)
def test_macro_f1_is_scikit_learns(pairs):
    true, predicted = np.array(pairs).T
    expected = metrics.f1_score(true, predicted, average="macro", zero_division=0)
    assert macro_f1(true, predicted) == pytest.approx(expected)


def test_weights_count_predictions_as_scikit_learns_do():
    probabilities, true = drawn()
    weights = np.random.default_rng(1).choice([1, 1 / 2, 1 / 3], size=len(true))
    predicted = probabilities.argmax(axis=1)
    expected = metrics.f1_score(true, predicted, average="macro", sample_weight=weights)
    assert macro_f1(true, predicted, weights) == pytest.approx(expected)
    assert macro_f1(true, predicted, weights) != macro_f1(true, predicted)
    of_true = probabilities[np.arange(len(true)), true]
    expected = metrics.log_loss(true, probabilities, sample_weight=weights)
    assert mean_log_loss(of_true, weights) == pytest.approx(expected)
    ranks = (probabilities > of_true[:, np.newaxis]).sum(axis=1)
    expected = metrics.top_k_accuracy_score(true, probabilities, k=2, sample_weight=weights)
    assert top_k(ranks, 2, weights) == pytest.approx(expected)
    confidence, correct = probabilities.max(axis=1), predicted == true
    twice = np.repeat(np.arange(len(true)), 1 + (weights == 1))  # a weight of 2 is the same answer twice
    doubled = calibration_error(confidence, correct, 1.0 + (weights == 1))
    assert doubled == pytest.approx(calibration_error(confidence[twice], correct[twice]))


def test_top_k_is_scikit_learns():
    probabilities, true = drawn()
    ranks = (probabilities > probabilities[np.arange(len(true)), true][:, np.newaxis]).sum(axis=1)
    for k in (1, 2, 5, 7):
        expected = metrics.top_k_accuracy_score(true, probabilities, k=k, labels=np.arange(8))
        assert top_k(ranks, k) == pytest.approx(expected)


def test_figures_of_kept_probabilities_are_those_of_all_probabilities():
    probabilities, true = drawn()
    of_true, confidence = probabilities[np.arange(len(true)), true], probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == true
    assert mean_log_loss(of_true) == log_loss(probabilities, true)
    assert calibration_error(confidence, correct) == expected_calibration_error(probabilities, true)
    # Kept as float32, they are as good.
    assert mean_log_loss(of_true.astype(np.float32)) == pytest.approx(log_loss(probabilities, true))
    assert mean_log_loss(np.array([0.0])) < 30


def test_bins_are_those_of_scikit_learn_and_their_intervals_those_of_statsmodels():
    probabilities, true = drawn()
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    bins = reliability_bins(confidence, correct)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=BINS)
    assert [each.accuracy for each in bins] == pytest.approx(list(accuracy))
    assert [each.confidence for each in bins] == pytest.approx(list(mean))
    assert sum(each.count for each in bins) == len(true)
    for each in bins:
        assert each.low < each.confidence <= each.high
        expected = proportion_confint(round(each.accuracy * each.count), each.count, method="wilson")
        assert each.interval_95 == pytest.approx(expected)
    error = sum(each.count * abs(each.accuracy - each.confidence) for each in bins) / len(true)
    assert calibration_error(confidence, correct) == pytest.approx(error)
