"""A model's stack is fitted on all training rows; what is known of it comes from rows left out."""

from dataclasses import replace

import numpy as np
import pytest
from support.models import coloured_images, features_of, small_registry, small_stack

from stackkit.api.errors import EvaluationError, UsageError
from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.classifiers import CheckedAggregator, CheckedClassifiers
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.model.fitting import StackFitting, chosen_aggregator

OFFICIAL = [Fold(train=np.arange(0, 30), test=np.arange(30, 42))]
THREE = [
    Fold(train=np.delete(np.arange(42), np.arange(k, 42, 3)), test=np.arange(k, 42, 3)) for k in range(3)
]


@pytest.fixture(scope="module")
def registry():
    return small_registry()


@pytest.fixture(scope="module")
def features(registry):
    images, labels = coloured_images(14)
    order = np.random.default_rng(0).permutation(42)
    return features_of(registry, [images[i] for i in order]), labels[order]


def plan_of(registry, features, aggregator, labels=None, **settings):
    found, truth = features
    component = registry.one("aggregator", aggregator)
    above = CheckedAggregator(component=component, fit_on=component.create().fit_on)
    classifiers = CheckedClassifiers(
        learners=(registry.one("learner", "ridge"),), baselines=(), aggregators=(above,)
    )
    return FitPlan(
        classifiers=classifiers,
        features=found,
        labels=truth if labels is None else labels,
        n_classes=3,
        inner_cv=3,
        seed=0,
        **settings,
    )


class Counting(FitCache):
    """A cache that counts the fits that were run."""

    def __init__(self, folder=None):
        super().__init__(folder)
        self.fits = []

    def save(self, fit, result):
        self.fits.append(fit)
        super().save(fit, result)


def fitted(plan, folds, cache=None):
    fitting = StackFitting(chosen=plan.classifiers.aggregators[0], official=folds is OFFICIAL)
    scheduler = FitScheduler(cache=cache or Counting(), reporter=SilentReporter(), jobs=1)
    comparison = fitting.prepared(Comparison(fit_plan=plan, folds=folds, scheduler=scheduler))
    comparison.run()
    return fitting.finish(comparison)


def same(one, other):
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.votes, other.votes)


@pytest.mark.parametrize("aggregator", ["average-svm", "concat"])
def test_a_stack_is_that_of_all_rows(registry, features, aggregator):
    final = fitted(plan_of(registry, features, aggregator), THREE)
    directly = small_stack(registry, *features, "ridge", aggregator)
    same(final.stack.answer(features[0]), directly.answer(features[0]))
    assert final.out_of_fold.rows.tolist() == list(range(42))
    assert final.out_of_fold.folds.tolist() == [0, 1, 2] * 14


@pytest.mark.parametrize("aggregator", ["average-svm", "stacked-logistic", "concat"])
def test_labels_of_an_official_test_part_change_nothing_of_a_model(registry, features, aggregator):
    other = features[1].copy()
    other[30:] = (other[30:] + 1) % 3
    one = fitted(plan_of(registry, features, aggregator), OFFICIAL)
    two = fitted(plan_of(registry, features, aggregator, other), OFFICIAL)
    same(one.stack.answer(features[0]), two.stack.answer(features[0]))
    for name in ("rows", "folds", "labels", "predicted", "scores"):
        assert np.array_equal(getattr(one.out_of_fold, name), getattr(two.out_of_fold, name)), name
    assert one.out_of_fold.rows.tolist() == list(range(30))


def test_images_of_one_group_are_left_out_together(registry, features):
    groups = np.arange(42) // 2
    found = fitted(plan_of(registry, features, "average-svm", groups=groups), OFFICIAL).out_of_fold
    folds_of = {group: set(found.folds[groups[found.rows] == group]) for group in range(15)}
    assert {len(folds) for folds in folds_of.values()} == {1}
    assert len(set(found.folds)) == 3


def test_the_label_of_a_left_out_image_does_not_change_what_is_said_of_it(registry, features):
    other = features[1].copy()
    other[THREE[1].test] = (other[THREE[1].test] + 1) % 3
    one, two = (
        fitted(plan_of(registry, features, "stacked-logistic", labels), THREE).out_of_fold
        for labels in (features[1], other)
    )
    assert np.array_equal(one.scores[THREE[1].test], two.scores[THREE[1].test])
    assert not np.array_equal(one.scores[THREE[0].test], two.scores[THREE[0].test])


def test_without_refit_the_learners_of_the_inner_folds_are_averaged(registry, features):
    cache = Counting()
    final = fitted(plan_of(registry, features, "stacked-logistic", refit=False), THREE, cache)
    assert [len(each.members) for each in final.stack.learners] == [3, 3]
    votes = final.stack.answer(features[0]).votes[0]
    each = [
        one.predict_proba(features[0][0].take(np.arange(42))) for one in final.stack.learners[0].members
    ]
    assert np.array_equal(votes, np.mean(each, axis=0))
    assert 42 not in [len(each.train) for each in cache.fits if hasattr(each, "train")]


@pytest.mark.parametrize("folds", [OFFICIAL, THREE], ids=["official", "folds"])
def test_a_second_training_fits_nothing_and_answers_alike(registry, features, folds, tmp_path):
    plan = plan_of(registry, features, "stacked-logistic")
    first, second = Counting(tmp_path), Counting(tmp_path)
    same(*(fitted(plan, folds, cache).stack.answer(features[0]) for cache in (first, second)))
    assert first.fits
    assert not second.fits


def test_a_model_reuses_the_fits_that_an_evaluation_has_cached(registry, features, tmp_path):
    plan = plan_of(registry, features, "average-svm")
    cache = Counting(tmp_path)
    Comparison(
        fit_plan=plan,
        folds=THREE,
        scheduler=FitScheduler(cache=cache, reporter=SilentReporter(), jobs=1),
    ).run()
    trained = Counting(tmp_path)
    fitted(plan, THREE, trained)
    assert len(cache.fits) == 3 * 3
    whole = [type(each).__name__ for each in trained.fits]
    assert whole == ["LearnerFit", "LearnerFit", "ProbabilityFit"], "only the stack of all images"


def test_an_official_split_fits_its_training_part_once(registry, features):
    cache = Counting()
    fitted(plan_of(registry, features, "average-svm"), OFFICIAL, cache)
    rows = [tuple(each.train) for each in cache.fits if hasattr(each, "train")]
    assert rows.count(tuple(range(30))) == 2  # one learner on each of two backbones


def test_an_aggregator_on_features_needs_no_other_learners_to_answer_for_left_out_images(
    registry, features
):
    cache = Counting()
    fitted(plan_of(registry, features, "concat"), OFFICIAL, cache)
    left_out = [type(each).__name__ for each in cache.fits if len(each.train) < 30]
    assert left_out == ["FeatureFit"] * 3


def test_a_training_part_that_cannot_be_divided_is_refused_before_anything_is_fitted(registry, features):
    labels = features[1].copy()
    train = np.array([np.flatnonzero(labels == 0)[0], np.flatnonzero(labels == 1)[0]])
    fold = [Fold(train=train, test=np.setdiff1d(np.arange(42), train))]
    plan, cache = plan_of(registry, features, "average-svm"), Counting()
    fitting = StackFitting(chosen=plan.classifiers.aggregators[0], official=True)
    scheduler = FitScheduler(cache=cache, reporter=SilentReporter(), jobs=1)
    with pytest.raises(EvaluationError, match="training part of 2 images cannot be divided"):
        fitting.prepared(Comparison(fit_plan=plan, folds=fold, scheduler=scheduler))
    assert not cache.fits


def test_what_no_model_can_be_made_of_is_refused_before_anything_is_fitted(registry, features):
    plan = plan_of(registry, features, "concat")
    learners = (*plan.classifiers.learners, registry.one("learner", "lda"))
    with pytest.raises(UsageError, match="fits one learner, and there are ridge, lda; choose one"):
        chosen_aggregator(replace(plan.classifiers, learners=learners), "concat")
    silent = replace(plan.classifiers, learners=(registry.one("learner", "linear-svm"),))
    with pytest.raises(UsageError, match="needs learners with probabilities, which linear-svm"):
        chosen_aggregator(silent, "concat")
