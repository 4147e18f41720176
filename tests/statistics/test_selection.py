"""A figure of the best of several rows, corrected for the choice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackkit.statistics.bootstrap import difference_interval
from stackkit.statistics.intervals import wilson
from stackkit.statistics.selection import corrected_best, corrected_gain


def noisy(n: int, n_rows: int, accuracy: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((n, n_rows)) < accuracy).astype(float)


def directly(correct: np.ndarray, draws: int) -> float:
    """Bias-corrected accuracy, image by image, as Algorithm 2 of Tsamardinos et al. (2018) says."""
    random, n = np.random.default_rng(1), len(correct)
    found = []
    for _ in range(draws):
        inside = random.integers(n, size=n)
        outside = np.setdiff1d(np.arange(n), inside)
        best = correct[inside].mean(axis=0).argmax()
        found.append(correct[outside, best].mean())
    return float(np.mean(found))


def test_the_corrected_accuracy_is_that_of_the_published_algorithm():
    correct = noisy(150, 12, 0.8)
    found = corrected_best(correct)
    assert found.value == pytest.approx(directly(correct, 2000), abs=0.004)
    assert found.value < correct.mean(axis=0).max() - 0.02
    low, high = found.interval_95
    assert low < 0.8 < high


def test_a_single_candidate_needs_no_correction():
    correct = noisy(200, 3, 0.8)
    found = corrected_best(correct, [1])
    assert found.value == pytest.approx(correct[:, 1].mean(), abs=0.005)
    assert found.interval_95 == pytest.approx(wilson(correct[:, 1].sum(), 200), abs=0.01)
    gain = corrected_gain(correct, 0, [1])
    assert gain.value == pytest.approx(correct[:, 0].mean() - correct[:, 1].mean(), abs=0.005)
    assert gain.interval_95 == pytest.approx(difference_interval(*correct.T[:2]), abs=0.012)


def test_the_gain_over_the_best_of_many_equal_rows_is_less_negative_than_it_looks():
    correct = noisy(300, 31, 0.8, seed=1)
    naive = correct[:, 0].mean() - correct[:, 1:].mean(axis=0).max()
    over_all = correct[:, 0].mean() - correct[:, 1:].mean()
    found = corrected_gain(correct, 0, range(1, 31))
    assert naive + 0.02 < found.value < over_all
    low, high = found.interval_95
    assert low < 0 < high


def test_the_p_of_a_gain_agrees_with_its_interval():
    for shift in (0.0, 0.03, 0.06, 0.1):
        correct = noisy(400, 4, 0.8)
        correct[:, 0] = np.maximum(correct[:, 0], noisy(400, 1, 5 * shift, seed=3)[:, 0])
        found = corrected_gain(correct, 0, [1, 2, 3])
        low, high = found.interval_95
        assert (found.p < 0.05) == (not low <= 0 <= high)


def test_a_row_that_equals_all_candidates_gains_nothing():
    correct = np.repeat(noisy(100, 1, 0.9), 3, axis=1)
    found = corrected_gain(correct, 0, [1, 2])
    low, high = found.interval_95
    assert found.value == 0
    assert low < 0 < high
    assert found.p > 0.9


def test_twenty_right_answers_of_twenty_are_no_certainty():
    found = corrected_best(np.ones((20, 3)))
    assert found.value == 1
    assert found.interval_95[0] < 0.84


def test_groups_make_the_interval_wider():
    correct = np.repeat(noisy(40, 4, 0.8), 10, axis=0)
    groups = np.repeat(np.arange(40), 10)
    images, whole = corrected_best(correct), corrected_best(correct, groups=groups)
    width = [high - low for low, high in (images.interval_95, whole.interval_95)]
    assert width[1] > 2 * width[0]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter_and_figures_keep_their_range(
    n, n_rows, grouped, random
):
    correct = noisy(n, n_rows, 0.7, seed=n)
    groups = np.arange(n) // 2 if grouped else None
    order = list(range(n))
    random.shuffle(order)
    moved = None if groups is None else groups[order]
    best = corrected_best(correct, groups=groups, draws=100)
    assert best == corrected_best(correct[order], groups=moved, draws=100)
    assert 0 <= best.interval_95[0] <= best.interval_95[1] <= 1
    gain = corrected_gain(correct, 0, range(n_rows), groups=groups, draws=100)
    assert gain == corrected_gain(correct[order], 0, range(n_rows), groups=moved, draws=100)
    assert -1 <= gain.interval_95[0] <= gain.interval_95[1] <= 1
    assert -1 <= gain.value <= 1
    assert 0 <= gain.p <= 1


def test_no_candidates_are_refused():
    with pytest.raises(ValueError, match="at least one candidate"):
        corrected_best(np.ones((3, 2)), [])
