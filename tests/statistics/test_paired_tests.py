"""Tests of a difference: golden values of statsmodels and SciPy, and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlxtend.evaluate import mcnemar as mlxtend_mcnemar
from scipy.stats import ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from stackkit.statistics.paired_tests import EXACT_BELOW, corrected_t, holm, mcnemar


def answers(only_first: int, only_second: int, both: int = 20) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([1.0, 0.0, 1.0, 0.0], [only_first, only_second, both, 7])
    second = np.repeat([0.0, 1.0, 1.0, 0.0], [only_first, only_second, both, 7])
    return first, second


@pytest.mark.parametrize("only_first", [0, 1, 7, 12, 13, 24, 25, 60])
def test_mcnemars_test_is_that_of_statsmodels_and_mlxtend(only_first):
    for only_second in (1, 5, 12, 40):
        exact = only_first + only_second < EXACT_BELOW
        table = [[20, only_first], [only_second, 7]]
        expected = statsmodels_mcnemar(table, exact=exact, correction=True).pvalue
        p = mcnemar(*answers(only_first, only_second))
        assert p == pytest.approx(expected)
        assert p == pytest.approx(mlxtend_mcnemar(np.array(table), exact=exact)[1])


def test_rows_that_never_differ_or_differ_equally_often_are_not_told_apart():
    assert mcnemar(*answers(0, 0)) == 1
    assert mcnemar(*answers(5, 5)) == 1


def test_an_image_in_several_repeats_counts_once_for_the_row_that_is_right_more_often():
    first, second = np.array([1.0, 2 / 3, 1 / 3 + 1 / 3, 0.0]), np.array([2 / 3, 1 / 3, 2 / 3, 0.0])
    assert mcnemar(first, second) == mcnemar(np.array([1.0, 1.0]), np.array([0.0, 0.0])) == 0.5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_mcnemars_p_is_a_probability_that_ignores_the_order_of_rows_and_images(one, other, grouped):
    first, second = answers(one, other)
    groups = np.arange(len(first)) % 11 if grouped else None
    p = mcnemar(first, second, groups=groups)
    assert 0 <= p <= 1
    assert mcnemar(second, first, groups=groups) == pytest.approx(p)
    reverse = None if groups is None else groups[::-1]
    assert mcnemar(first[::-1], second[::-1], groups=reverse) == pytest.approx(p)


def test_copies_of_an_image_in_a_group_are_no_further_evidence():
    for only_first, only_second in ((8, 1), (60, 30)):
        first, second = answers(only_first, only_second)
        copied = (np.repeat(first, 10), np.repeat(second, 10))
        groups = np.repeat(np.arange(len(first)), 10)
        alone = statsmodels_mcnemar(
            [[0, only_first], [only_second, 0]], exact=only_first < EXACT_BELOW, correction=False
        ).pvalue
        assert mcnemar(*copied, groups=groups) == pytest.approx(alone)
        assert mcnemar(*copied) < alone


def test_the_corrected_t_test_is_the_usual_one_with_a_wider_standard_error():
    differences = np.random.default_rng(0).normal(0.02, 0.03, 50)
    usual = ttest_1samp(differences, 0)
    (low, high), p = corrected_t(differences, 900, 100)
    ends = usual.confidence_interval()
    factor = np.sqrt((1 / 50 + 100 / 900) / (1 / 50))
    assert high - low == pytest.approx(factor * (ends.high - ends.low))
    assert (low + high) / 2 == pytest.approx(differences.mean())
    # With a negligible test part, nothing is left of the correction.
    interval, p_usual = corrected_t(differences, 1e12, 100)
    assert interval == pytest.approx((ends.low, ends.high))
    assert p_usual == pytest.approx(usual.pvalue)
    assert p > p_usual


@given(st.lists(st.integers(-20, 20).map(lambda n: n / 20), min_size=2, max_size=30))
def test_the_corrected_t_test_claims_a_difference_where_its_interval_excludes_0(differences):
    (low, high), p = corrected_t(differences, 80, 20)
    assert 0 <= p <= 1
    assert low < np.mean(differences) < high
    assert (p < 0.05) == (not low <= 0 <= high) or p == pytest.approx(0.05)
    (mirrored, _), same = corrected_t([-each for each in differences], 80, 20)
    assert (mirrored, same) == (pytest.approx(-high), pytest.approx(p))


def test_two_equal_differences_are_no_certainty():
    assert corrected_t([0.05, 0.05], 80, 20)[1] > 0.05
    assert corrected_t([0.0, 0.0, 0.0], 80, 20)[1] == 1
    with pytest.raises(ValueError, match="at least 2 differences, got 1"):
        corrected_t([0.1], 80, 20)


def test_holms_correction_is_that_of_statsmodels():
    random = np.random.default_rng(0)
    for n in (1, 2, 5, 40):
        ps = np.append(random.random(n) ** 3, [0.01, 0.01, 1.0])
        assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])
    assert len(holm([])) == 0
