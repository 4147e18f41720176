"""Learning curves: nested parts of the training rows, the same test rows, and one plain sentence."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.models import coloured_images, features_of, small_registry

from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.classifiers import CheckedAggregator, CheckedClassifiers
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import stratified_folds
from stackkit.evaluation.learning_curve import Curve, CurvePoint, _curve, _sentence, learning_curve
from stackkit.evaluation.metrics import score
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.evaluation.training_subsets import nested_subsets, sizes


def test_points_double_until_nearly_all_images_are_used():
    assert sizes(np.repeat([0, 1], 31)) == [1, 2, 5, 10, 20]
    assert sizes(np.repeat([0, 1], 41)) == [1, 2, 5, 10, 20], "40 of 41 say no more than all"
    assert sizes(np.repeat([0, 1, 2], [3, 100, 5])) == [1, 2, 5, 10, 20, 40, 80]
    assert sizes(np.array([0, 1])) == []


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=60),
    grouped=st.booleans(),
)
def test_subsets_are_nested_and_stratified_and_keep_groups_whole(rows, grouped):
    labels, groups = np.array(rows).T
    found = nested_subsets(labels, [1, 2, 5], seed=(3, 0), groups=groups if grouped else None)
    for smaller, larger in pairwise(found):
        assert set(smaller) <= set(larger)
    for size, subset in zip([1, 2, 5], found, strict=True):
        asked = np.minimum(np.bincount(labels), size)
        drawn = np.bincount(labels[subset], minlength=len(asked))
        assert (drawn >= asked).all() if grouped else (drawn == asked).all()
        if grouped:
            assert not set(groups[subset]) & set(np.delete(groups, subset))


def test_the_seed_decides_which_images_are_drawn():
    labels = np.repeat([0, 1], 30)
    one, same, other = (nested_subsets(labels, [5], seed=(seed, 0))[0] for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


class Counting(FitCache):
    """A cache that counts the fits that were run."""

    def __init__(self, folder):
        super().__init__(folder)
        self.fits = []

    def save(self, fit, result):
        self.fits.append(fit)
        super().save(fit, result)


@pytest.fixture(scope="module")
def plan() -> FitPlan:
    """Ridge on two networks and, of two aggregators, the first one: 3 classes with 20 images each."""
    registry = small_registry()
    images, labels = coloured_images(20)
    baseline, learner = (registry.one("learner", name) for name in ("lda", "ridge"))
    above = [registry.one("aggregator", name) for name in ("soft-vote", "average-svm")]
    return FitPlan(
        classifiers=CheckedClassifiers(
            learners=(learner,),
            baselines=(baseline,),
            aggregators=tuple(
                CheckedAggregator(component=one, fit_on=one.create().fit_on) for one in above
            ),
        ),
        features=features_of(registry, images),
        labels=np.array(labels),
        n_classes=3,
        inner_cv=3,
        seed=0,
    )


def comparison_of(plan: FitPlan, cache: FitCache) -> Comparison:
    folds = stratified_folds(plan.labels, ["a", "b", "c"], 2, shuffle=True, seed=0)
    scheduler = FitScheduler(cache=cache, reporter=SilentReporter(), jobs=1)
    return Comparison(fit_plan=plan, folds=folds, scheduler=scheduler)


def test_curves_end_at_the_table_and_a_second_one_fits_nothing(plan, tmp_path):
    cache = Counting(tmp_path)
    comparison = comparison_of(plan, cache)
    results = comparison.run()
    before = len(cache.fits)
    found = learning_curve(comparison, results)
    assert [curve.name for curve in found.curves] == ["ridge", "ridge", "soft-vote"]
    for curve, result in zip(found.curves, results[2:5], strict=True):
        assert [point.images_per_class for point in curve.points] == [1, 2, 5, 10]
        assert curve.points[-1].accuracy == result.accuracy
        assert curve.points[-1].interval_95 == result.interval_95
        assert curve.backbones == result.backbones
    parts = cache.fits[before:]
    assert len(parts) == 3 * 2 * 3, "three points, two folds, two learners and one aggregator"
    tested = [fit.test for fit in parts if hasattr(fit, "test")]
    assert {rows.tobytes() for rows in tested} == {fold.test.tobytes() for fold in comparison.folds}
    again = Counting(tmp_path)
    assert learning_curve(comparison_of(plan, again), results) == found
    assert not again.fits


def test_a_point_that_no_learner_can_be_fitted_at_is_left_out_and_said(plan):
    registry = small_registry()
    out_of_fold = registry.one("aggregator", "stacked-logistic")
    two = np.flatnonzero(plan.labels < 2)  # with one image of each, an inner fold has a single class
    plan = replace(
        plan,
        classifiers=replace(
            plan.classifiers,
            aggregators=(CheckedAggregator(component=out_of_fold, fit_on="out-of-fold"),),
        ),
        features=[replace(each, used_rows=each.used_rows[two]) for each in plan.features],
        labels=plan.labels[two],
    )
    comparison = comparison_of(plan, FitCache(None))
    found = learning_curve(comparison, comparison.run())
    assert [point.images_per_class for point in found.curves[-1].points] == [2, 5, 10]
    assert "cannot be said: the learning curve of stacked-logistic has 3 point(s)" in found.sentence
    assert "could not be measured with 1 of each class: a training fold of 2 images" in found.sentence


def test_a_forecast_is_less_certain_where_test_images_come_in_groups():
    def points(groups):
        for images, error in ((2, 0.4), (5, 0.25), (10, 0.18), (20, 0.14), (40, 0.11)):
            right = np.arange(1000) % 100 >= 100 * error  # whole groups of ten are wrong
            predicted = np.where(right, 0, 1).astype(np.int64)
            truth = [(predicted, np.zeros(1000, dtype=np.int64))]
            done = {"untrained": False, "converged": True, "groups": groups}
            yield images, [score("x", "learner", ["a"], truth, **done)]

    def width(groups, n_test):
        low, high = _curve(list(points(groups)), 0, n_test).forecast.interval_95
        return high - low

    assert width(np.arange(1000) // 10, None) > 1.5 * width(None, 1000)
    assert width(None, None) == pytest.approx(width(None, 1000), rel=0.05)


def point(images: float, accuracy: float, low: float, high: float) -> CurvePoint:
    return CurvePoint(images_per_class=images, accuracy=accuracy, interval_95=(low, high))


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (point(62, 0.915, 0.905, 0.93), "91.5 % can be expected of x (90.5 to 93.0), +1.5 points: more"),
        (point(62, 0.915, 0.905, 0.93), "images like these can be expected to help."),
        (point(62, 0.903, 0.89, 0.92), "+0.3 points: more images like these would add little."),
        (point(62, 0.91, 0.89, 0.93), "it is not certain that more images like these would help."),
        (
            None,
            "too irregular for a forecast. From 10 to 31 images of each class, its accuracy went",
        ),
    ],
)
def test_the_sentence_says_what_twice_as_many_images_would_bring(plan, expected, said):
    points = tuple(point(n, 0.7 + n / 155, 0.6, 0.95) for n in (2, 5, 10, 31))
    curve = Curve(name="x", backbones=("a",), points=points, forecast=expected)
    assert said in _sentence(curve, plan, {})
    untrained = [replace(each, trained=False) for each in plan.features]
    assert "means nothing" in _sentence(curve, replace(plan, features=untrained), {})
