"""Metrics: each equals its textbook formula."""

import math
import statistics
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from stackkit.evaluation.metrics import (
    Result,
    ResultKind,
    best_single,
    score,
    with_gain_intervals,
)
from stackkit.statistics.intervals import tango

some_folds = st.lists(st.lists(st.booleans(), min_size=1, max_size=40), min_size=1, max_size=6)
"""For each fold, whether each prediction is right."""


def scored(folds: list[list[bool]]) -> Result:
    pairs = []
    for rights in folds:
        true = np.arange(len(rights))
        pairs.append((np.where(rights, true, true + 1), true))
    return score("logistic", "learner", ["a"], pairs, untrained=False, converged=True)


def wilson(right: float, total: int) -> tuple[float, float]:
    """E. B. Wilson, JASA 22 (1927); z is the normal distribution's 97.5 % point."""
    z, share = statistics.NormalDist().inv_cdf(0.975), right / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    return middle - half, middle + half


@given(some_folds)
def test_accuracy_is_the_mean_over_folds_and_spread_their_standard_deviation(folds):
    result = scored(folds)
    shares = [sum(rights) / len(rights) for rights in folds]
    assert result.fold_accuracy == pytest.approx(shares)
    assert result.accuracy == pytest.approx(statistics.fmean(shares))
    if len(folds) > 1:
        assert result.spread == pytest.approx(statistics.pstdev(shares), abs=1e-12)


@given(some_folds)
def test_the_interval_is_wilsons_over_all_predictions(folds):
    rights = [right for rights in folds for right in rights]
    low, high = scored(folds).interval_95
    assert (low, high) == pytest.approx(wilson(sum(rights), len(rights)), abs=1e-12)
    assert -1e-12 <= low <= sum(rights) / len(rights) <= high <= 1 + 1e-12


def test_one_fold_has_no_spread():
    assert scored([[True, False]]).spread is None


def test_all_values_are_plain_python_floats():
    result = scored([[True, False], [True]])
    values = [*result.fold_accuracy, result.accuracy, result.spread, *result.interval_95]
    values.append(result.balanced_accuracy)
    assert {type(value) for value in values} == {float}


def test_the_description_is_copied_to_the_result():
    pair = (np.array([1]), np.array([1]))
    result = score("soft-vote", "aggregator", ["a", "b"], [pair], untrained=True, converged=False)
    assert (result.name, result.kind, result.backbones) == ("soft-vote", "aggregator", ("a", "b"))
    assert result.untrained
    assert not result.converged


def result(kind: ResultKind, accuracy: float, name: str = "x") -> Result:
    return Result(
        name=name,
        kind=kind,
        backbones=("a",),
        untrained=False,
        fold_accuracy=(accuracy,),
        accuracy=accuracy,
        spread=0.0,
        interval_95=(accuracy, accuracy),
        balanced_accuracy=accuracy,
        converged=True,
    )


def test_the_best_single_is_not_an_aggregator():
    results = [result("baseline", 0.5), result("learner", 0.6), result("aggregator", 0.9)]
    assert best_single(results) is results[1]


def test_a_baseline_can_be_the_best_single():
    results = [result("baseline", 0.7), result("learner", 0.6)]
    assert best_single(results) is results[0]


def test_the_first_of_equals_is_the_best_single():
    results = [result("learner", 0.6, "first"), result("learner", 0.6, "second")]
    assert best_single(results) is results[0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_balanced_accuracy_is_scikit_learns_over_all_predictions(pairs):
    predicted, true = np.array(pairs).T
    half = len(pairs) // 2
    folds = [(predicted[:half], true[:half]), (predicted[half:], true[half:])]
    found = score("x", "learner", ["a"], folds, untrained=False, converged=True).balanced_accuracy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about predicted classes without images
        assert found == pytest.approx(balanced_accuracy_score(true, predicted))


def test_repeats_do_not_round_hits():
    """Of 3 images, 2 are right in one repeat and 3 in the other: 2.5 on average."""
    true = np.array([0, 1, 2])
    folds = [(true, true), (np.array([0, 1, 0]), true)]
    images = np.tile(np.arange(3), 2)
    found = score("x", "learner", ["a"], folds, untrained=False, converged=True, images=images)
    assert found.accuracy == pytest.approx(2.5 / 3)
    assert found.interval_95 == pytest.approx(wilson(2.5, 3))


def test_an_image_that_is_drawn_more_often_than_others_counts_once():
    """Image 0 is drawn twice, and right once; image 1 is right, and image 2 wrong."""
    folds = [(np.array([0, 0]), np.array([0, 0])), (np.array([1, 1]), np.array([0, 0]))]
    images = np.array([0, 1, 0, 2])
    found = score("x", "learner", ["a"], folds, untrained=False, converged=True, images=images)
    assert found.fold_accuracy == (1.0, 0.0)
    assert found.accuracy == found.balanced_accuracy == 1.5 / 3
    assert found.interval_95 == wilson(1.5, 3)
    folds[1][0][0] = 0  # image 0 is right twice: 2 of 3 images, whose F1 is 4 / 5, and 0 for class 1
    found = score("x", "learner", ["a"], folds, untrained=False, converged=True, images=images)
    assert found.macro_f1 == pytest.approx(2 / 5)
    rows = [result("learner", 0.5), result("aggregator", 0.4)]
    right, wrong = np.array([True, True, False, False]), np.array([False, True, False, True])
    _, gained = with_gain_intervals(rows, [right, wrong], images)
    assert gained.gain_interval_95 == tango(1.0, 0.5, 3)


def test_every_row_but_the_best_single_has_an_interval_for_its_gain():
    first, second = np.array([True, True, False, False]), np.array([True, False, False, True])
    results = [result("learner", 0.5, "first"), result("learner", 0.4), result("aggregator", 0.5)]
    found = with_gain_intervals(results, [first, second, first])
    assert [one.gain_interval_95 for one in found] == [None, tango(1, 1, 4), tango(0, 0, 4)]


def test_each_image_counts_once_for_the_gain_of_repeats():
    hits = np.array([True, True, False, True, False, True])
    other = np.array([False, True, True, True, False, False])
    results = [result("learner", 0.5), result("aggregator", 0.4)]
    _, found = with_gain_intervals(results, [hits, other], np.tile(np.arange(3), 2))
    assert found.gain_interval_95 == tango(0.5, 1.0, 3)


def test_with_groups_every_image_counts_the_same_and_the_accuracy_lies_in_its_interval() -> None:
    truth = [np.zeros(100, dtype=np.int64), np.zeros(10, dtype=np.int64)]
    folds = [(np.arange(100) // 90, truth[0]), (np.arange(10) // 5, truth[1])]
    groups = np.arange(110) // 2
    result = score("a", "learner", ["net"], folds, untrained=False, converged=True, groups=groups)
    assert result.accuracy == 95 / 110
    low, high = result.interval_95
    assert low < result.accuracy < high


def test_ten_photos_of_each_object_are_less_certain_than_ten_times_as_many_objects() -> None:
    truth, groups = np.zeros(400, dtype=np.int64), np.arange(400) // 10
    predicted = [(groups % n == 0).astype(np.int64) for n in (5, 4)]
    images = np.arange(400)
    found = []
    for known in (None, groups):
        rows = [
            score(
                name, "learner", [name], [(labels, truth)], untrained=False, converged=True, groups=known
            )
            for name, labels in zip("ab", predicted, strict=True)
        ]
        right = [labels == truth for labels in predicted]
        found.append(with_gain_intervals(rows, right, images, known)[1])
    alone, grouped = found
    assert grouped.accuracy == alone.accuracy == 0.75
    for name in ("interval_95", "gain_interval_95"):
        narrow, wide = (np.subtract(*getattr(each, name)[::-1]) for each in (alone, grouped))
        assert 2 * narrow < wide
        low, high = getattr(grouped, name)
        assert low < (0.75 if name == "interval_95" else -0.05) < high
    # 40 objects, 30 of them right.
    assert grouped.interval_95 == pytest.approx(wilson(30, 40), abs=0.02)
