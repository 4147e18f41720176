"""Intervals: equal to published values, and to implementations that share no code with them."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from stackkit.statistics.intervals import images_of_width, tango, wilson

Z_95 = NormalDist().inv_cdf(0.975)

counts = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 40)).filter(any)
"""Images that count for the first classifier only, for the second only, and for both or neither."""


@pytest.mark.parametrize("total", [1, 2, 20, 31])
def test_wilsons_interval_is_scipys_to_the_last_bit(total):
    for hits in range(total + 1):
        expected = binomtest(hits, total).proportion_ci(method="wilson")
        assert wilson(hits, total) == (expected.low, expected.high)


def test_twenty_of_twenty_may_be_839_of_1000_and_no_more_than_all():
    assert wilson(20, 20) == (pytest.approx(0.8389, abs=1e-4), 1.0)


@pytest.mark.parametrize(
    ("only_first", "only_second", "total", "expected"),
    [
        # Bentur et al. (2009) in M. W. Fagerland, S. Lydersen and P. Laake, "Recommended tests and
        # confidence intervals for paired binomial proportions", Statistics in Medicine 33, 2014.
        (1, 7, 21, (-0.517, -0.026)),
        # The example of `scoreci.mp` in the R package PropCIs has these counts; the ends are the roots
        # of the score equation, found on a grid of the likelihood.
        (40, 20, 160, (0.0309, 0.2181)),
    ],
)
def test_tangos_interval_has_the_published_ends(only_first, only_second, total, expected):
    assert tango(only_first, only_second, total) == pytest.approx(expected, abs=5e-4)


def deviance_score(only_first: int, only_second: int, total: int, difference: float) -> float:
    """Squared test statistic, with the likelihood maximised numerically instead of in closed form."""
    both = total - only_first - only_second

    def loss(share: float) -> float:
        shares = (share + difference, share, 1 - 2 * share - difference)
        numbers = (only_first, only_second, both)
        return -sum(n * math.log(max(p, 1e-300)) for n, p in zip(numbers, shares, strict=True))

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    share = float(minimize_scalar(loss, bounds=bounds, options={"xatol": 1e-12}).x)
    variance = total * (2 * share + difference - difference**2)
    return float((only_first - only_second - total * difference) ** 2 / variance)


@given(counts)
def test_tangos_ends_are_where_the_score_reaches_its_critical_value(numbers):
    only_first, only_second, _ = numbers
    total = sum(numbers)
    low, high = tango(only_first, only_second, total)
    estimate = (only_first - only_second) / total
    assert -1 <= low <= estimate <= high <= 1
    assert low < high
    for end in (low, high):
        if abs(end) < 1:
            score = deviance_score(only_first, only_second, total, end)
            assert score == pytest.approx(Z_95**2, rel=1e-3)


@given(counts)
def test_swapping_the_classifiers_mirrors_the_interval(numbers):
    only_first, only_second, _ = numbers
    low, high = tango(only_first, only_second, sum(numbers))
    assert tango(only_second, only_first, sum(numbers)) == pytest.approx((-high, -low), abs=1e-9)


@given(counts)
def test_the_interval_excludes_0_where_mcnemars_test_rejects_equality(numbers):
    only_first, only_second, _ = numbers
    low, high = tango(only_first, only_second, sum(numbers))
    discordant = only_first + only_second
    rejected = discordant and (only_first - only_second) ** 2 / discordant > Z_95**2
    assert bool(rejected) == (not low <= 0 <= high)


def test_the_interval_covers_a_true_difference_of_two_correlated_classifiers():
    """About 95 % of 400 samples of 60 images; 3 standard errors are 3.3 points."""
    random = np.random.default_rng(4)
    shares = (0.15, 0.05, 0.8)  # first only, second only, both or neither
    found = [tango(*map(int, random.multinomial(60, shares)[:2]), 60) for _ in range(400)]
    covered = np.mean([low <= 0.1 <= high for low, high in found])
    assert covered == pytest.approx(0.95, abs=0.033)


@pytest.mark.parametrize(("hits", "total"), [(0, 3), (90, 100), (50, 100), (1, 40), (1000, 1115)])
def test_the_width_of_wilsons_interval_tells_how_many_images_it_is_for(hits, total):
    low, high = wilson(hits, total)
    assert images_of_width(hits / total, high - low) == pytest.approx(total)
