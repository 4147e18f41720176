"""Bootstrap samples and intervals: laws, SciPy's bootstrap, and figures worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from stackkit.statistics.bootstrap import (
    cluster_interval,
    difference_interval,
    percentile_interval,
    resampled,
)
from stackkit.statistics.intervals import wilson, wilson_of_variance
from stackkit.statistics.units import units_of


def answers(n: int, *shares: float, seed: int = 0) -> np.ndarray:
    """Right and wrong answers, (n, len(shares)), of rows that find the same images difficult."""
    difficulty = np.random.default_rng(seed).random((n, 1))
    noise = np.random.default_rng(seed + 1).normal(0, 0.1, (n, len(shares)))
    return (difficulty + noise < np.array(shares)).astype(float)


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray | None]:
    """Answers of two rows, 0 or 1 or means over 3 repeats, and groups or none."""
    n, repeats = draw(st.integers(1, 25)), draw(st.sampled_from([1, 3]))
    right = st.lists(st.integers(0, repeats), min_size=n, max_size=n)
    correct = np.array([draw(right), draw(right)]).T / repeats
    numbers = st.lists(st.integers(0, 5), min_size=n, max_size=n)
    return correct, draw(st.none() | numbers.map(np.array))


def test_samples_and_percentiles_are_those_of_scipy():
    correct = answers(200, 0.9, 0.8)
    found = resampled(units_of(correct, None), draws=20_000)
    for column in (0, 1):
        expected = bootstrap((correct[:, column],), np.mean, n_resamples=20_000, method="percentile")
        low, high = percentile_interval(found[:, column])
        assert (low, high) == pytest.approx(expected.confidence_interval, abs=0.006)
        assert found[:, column].std() == pytest.approx(expected.standard_error, rel=0.03)
    # Paired: the same images for both rows, or their difference would vary more.
    difference = (correct[:, 0] - correct[:, 1]).std() / np.sqrt(200)
    assert (found[:, 0] - found[:, 1]).std() == pytest.approx(difference, rel=0.03)


def test_groups_are_drawn_whole():
    groups = np.repeat(np.arange(40), 5)
    correct = np.repeat(answers(40, 0.8), 5, axis=0)
    found = resampled(units_of(correct, groups), draws=20_000)[:, 0]
    assert set(np.round(found * 40, 9)) <= set(range(41))
    assert found.std() == pytest.approx(correct.std() / np.sqrt(40), rel=0.03)


def test_groups_of_different_sizes_count_by_their_images():
    sizes = np.arange(1, 31)
    groups, correct = np.repeat(np.arange(30), sizes), answers(465, 0.7)
    right = np.bincount(groups, weights=correct[:, 0])
    expected = bootstrap(
        (right, sizes),
        lambda right, sizes, axis: right.sum(axis=axis) / sizes.sum(axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
    )
    found = resampled(units_of(correct, groups), draws=20_000)[:, 0]
    assert percentile_interval(found) == pytest.approx(expected.confidence_interval, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_no_interval_depends_on_the_order_of_the_images_or_leaves_its_range(table, random):
    correct, groups = table
    order = list(range(len(correct)))
    random.shuffle(order)
    moved = None if groups is None else groups[order]
    samples = resampled(units_of(correct, groups), draws=50)
    assert (samples == resampled(units_of(correct[order], moved), draws=50)).all()
    assert ((samples >= 0) & (samples <= 1)).all()
    low, high = difference_interval(*correct.T, groups=groups, draws=200)
    assert (low, high) == difference_interval(*correct[order].T, groups=moved, draws=200)
    assert -1 <= low <= high <= 1
    assert low - 0.1 <= correct[:, 0].mean() - correct[:, 1].mean() <= high + 0.1
    if groups is not None:
        low, high = cluster_interval(correct[:, 0], groups, draws=50)
        assert (low, high) == pytest.approx(cluster_interval(correct[order, 0], moved, draws=50))
        assert 0 <= low <= correct[:, 0].mean() + 1e-9
        assert correct[:, 0].mean() - 1e-9 <= high <= 1


@settings(max_examples=25, deadline=None)
@given(tables())
def test_swapping_two_rows_mirrors_the_interval_of_their_difference(table):
    (first, second), groups = table[0].T, table[1]
    if abs(first.sum() - second.sum()) > 1e-9:  # rows of the same accuracy have no first one
        low, high = difference_interval(first, second, groups=groups, draws=200)
        assert difference_interval(second, first, groups=groups, draws=200) == (-high, -low)


def test_rows_that_never_differ_have_an_interval_about_0_that_is_not_empty():
    right = np.ones(1000)
    low, high = difference_interval(right, right)
    assert -0.005 < low < 0 < high < 0.005
    low, high = difference_interval(right, right, groups=np.arange(1000) // 10)
    assert low < 0 < high


def test_the_interval_of_a_difference_is_close_to_that_of_bonett_and_price():
    """A bootstrap of the images and the two added ones is their interval, but for the quantiles."""
    only_first, only_second, n = 40, 20, 500
    first, second = np.zeros(n), np.zeros(n)
    first[:only_first], second[only_first : only_first + only_second] = 1, 1
    one, other = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = 1.96 * np.sqrt((one + other - (one - other) ** 2) / (n + 2))
    found = difference_interval(first, second, draws=20_000)
    assert found == pytest.approx((one - other - half, one - other + half), abs=0.002)


def test_groups_of_copies_count_as_one_image_each():
    correct = answers(50, 0.8)[:, 0]
    low, high = cluster_interval(np.repeat(correct, 20), np.repeat(np.arange(50), 20), draws=20_000)
    assert (low, high) == pytest.approx(wilson(correct.sum(), 50), abs=0.01)
    assert cluster_interval(np.ones(200), np.arange(200) // 10)[0] == pytest.approx(0.82, abs=0.02)


def test_without_other_knowledge_wilsons_interval_is_the_usual_one():
    for hits in (0, 1, 37, 50):
        share = hits / 50
        found = wilson_of_variance(share, share * (1 - share) / 50, total=50, n_units=50)
        assert found == pytest.approx(wilson(hits, 50))
    # Images that vary less than independent ones do not count as more of them.
    assert wilson_of_variance(0.5, 0.0, total=50, n_units=10) == pytest.approx(wilson(25, 50))


def test_the_same_seed_gives_the_same_samples_and_another_one_others():
    correct = answers(100, 0.8)
    first, again, other = (resampled(units_of(correct, None), draws=20, seed=seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_samples_do_not_depend_on_how_many_fit_into_memory(monkeypatch):
    correct = answers(100, 0.8, 0.7)
    whole = resampled(units_of(correct, None), draws=50)
    monkeypatch.setattr("stackkit.statistics.units.NUMBERS_AT_ONCE", 7)
    assert (resampled(units_of(correct, None), draws=50) == whole).all()


def test_no_images_and_another_number_of_groups_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        units_of(np.empty((0, 2)), None)
    with pytest.raises(ValueError, match="expected 3 groups, one per image, got 2"):
        cluster_interval(np.ones(3), np.zeros(2, dtype=np.int64))
