import json

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics

from stackkit.api.errors import UsageError
from stackkit.api.state import State
from stackkit.model.reliability import Reliability
from stackkit.statistics.calibration import (
    RANGE,
    Calibration,
    cross_fitted,
    fit_calibration,
)
from stackkit.statistics.scores import BINS, expected_calibration_error, log_loss


def drawn(n: int, n_classes: int, factor: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are `factor` times too large, and labels that follow the right probabilities."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(n, n_classes)) * 2
    labels = np.array([random.choice(n_classes, p=row) for row in softmax(scores, axis=1)])
    return factor * scores, labels


@pytest.mark.parametrize("n_classes", [2, 7])
@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_scores_that_are_too_large_or_too_small_are_found_out(n_classes: int, factor: float):
    scores, labels = drawn(4000, n_classes, factor)
    assert fit_calibration(scores, labels).temperature == pytest.approx(factor, rel=0.1)


def test_decision_values_become_probabilities_that_are_right_as_often_as_they_say():
    scores, labels = drawn(3000, 5, 0.1)
    raw = Calibration(temperature=1.0).probabilities(scores)
    after = cross_fitted(scores, labels, np.arange(3000) % 3)
    assert expected_calibration_error(after, labels) < 0.03 < expected_calibration_error(raw, labels)
    assert log_loss(after, labels) < log_loss(raw, labels)
    assert (after.argmax(axis=1) == scores.argmax(axis=1)).all()


def test_few_images_that_are_all_right_do_not_make_later_answers_certain():
    for n in (1, 3, 30):
        scores, labels = 0.5 * np.eye(3)[np.arange(n) % 3], np.arange(n) % 3
        found = fit_calibration(scores, labels)
        assert RANGE[0] < found.temperature <= RANGE[1]
        assert found.probabilities(scores).max() < (n + 1.5) / (n + 2)


@pytest.mark.parametrize("scores", [np.zeros((4, 3)), np.full((4, 3), 1e9), -1e9 * np.eye(4, 3)])
def test_extreme_scores_give_a_temperature_within_the_range(scores: np.ndarray):
    found = fit_calibration(scores, np.array([0, 0, 0, 0]))
    assert RANGE[0] <= found.temperature <= RANGE[1]
    assert np.isfinite(found.probabilities(scores)).all()


def test_without_images_scores_stay_as_they_are():
    assert fit_calibration(np.empty((0, 3)), np.empty(0, dtype=np.int64)).temperature == 1.0


def test_no_temperature_is_judged_on_images_that_it_was_found_on():
    scores, labels = drawn(60, 3, 1.0)
    folds = np.arange(60) % 2
    before = cross_fitted(scores, labels, folds)
    labels[folds == 0] = (labels[folds == 0] + 1) % 3
    after = cross_fitted(scores, labels, folds)
    assert (before[folds == 0] == after[folds == 0]).all()
    assert (before[folds == 1] != after[folds == 1]).any()


def test_the_figures_are_those_of_scikit_learn_and_of_the_definition():
    scores, labels = drawn(500, 4, 2.0)
    made = softmax(scores, axis=1)
    assert log_loss(made, labels) == pytest.approx(metrics.log_loss(labels, made, labels=range(4)))
    confidence, correct = made.max(axis=1), made.argmax(axis=1) == labels
    expected = 0.0
    for i in range(BINS):
        inside = (confidence > i / BINS) & (confidence <= (i + 1) / BINS)
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(made, labels) == pytest.approx(expected)


def test_a_calibration_comes_back_from_json():
    found = fit_calibration(*drawn(50, 3, 2.0))
    values = json.loads(json.dumps(found.state().values))
    assert Calibration.from_state(State(values=values)) == found
    for wrong in (0.0, 1e-320, float("inf"), True, "1", None):
        with pytest.raises(ValueError, match="temperature must be"):
            Calibration.from_state(State(values={"temperature": wrong}))


def reliability(confidence: list[float], correct: list[bool]) -> Reliability:
    return Reliability(
        confidence=np.array(confidence, dtype=float), correct=np.array(correct, dtype=bool)
    )


def test_the_threshold_accepts_as_many_answers_as_the_precision_allows():
    # 60 right answers, then 20 of which every second is wrong.
    found = reliability([0.9] * 60 + [0.5] * 20, [True] * 60 + [True, False] * 10)
    assert found.threshold(0.95).confidence == 0.9
    assert (found.threshold(0.95).precision, found.threshold(0.95).coverage) == (1.0, 0.75)
    everything = found.threshold(0.8)
    assert (everything.confidence, everything.precision, everything.coverage) == (0.5, 0.875, 1.0)


@pytest.mark.parametrize(("n", "attained"), [(18, False), (19, True)])
def test_a_few_right_answers_do_not_prove_a_high_precision(n: int, attained: bool):
    found = reliability([0.9] * n, [True] * n)
    assert found.threshold(0.95).attained is attained
    assert found.attainable == pytest.approx(n / (n + 1))
    assert found.threshold(found.attainable).attained


def test_an_unattainable_precision_accepts_nothing():
    for found in (reliability([0.9, 0.8], [False, False]), reliability([], [])):
        assert (found.threshold(0.5).coverage, found.attainable) == (0.0, 0.0)
    with pytest.raises(UsageError, match=r"must be above 0 and at most 1, got 1\.5"):
        reliability([0.9], [True]).threshold(1.5)


def test_the_precision_that_was_asked_for_holds_for_later_images():
    scores, labels = drawn(4000, 5, 1.0)
    probabilities = softmax(scores, axis=1)
    known, later = slice(0, 2000), slice(2000, None)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    threshold = reliability(confidence[known], correct[known]).threshold(0.9)
    accepted = confidence[later] >= threshold.confidence
    assert correct[later][accepted].mean() == pytest.approx(0.9, abs=0.04)
    assert accepted.mean() == pytest.approx(threshold.coverage, abs=0.05)


def test_a_reliability_comes_back_from_its_arrays():
    found = reliability([0.3, 0.9], [False, True])
    again = Reliability.from_state(found.state())
    assert (again.confidence == found.confidence).all()
    assert (again.correct == found.correct).all()
    for name, wrong in (("confidence", np.array([0.3])), ("correct", np.array([0, 1]))):
        with pytest.raises(ValueError, match="must be arrays"):
            Reliability.from_state(State(arrays={**found.state().arrays, name: wrong}))
    with pytest.raises(ValueError, match="must be arrays"):
        Reliability.from_state(State())
