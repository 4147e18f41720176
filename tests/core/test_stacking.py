"""Stacking: learners are fitted once and aggregators get exactly what they declare."""

import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from stackkit.compare import Comparison, Features
from stackkit.folds import Fold, inner_folds, stratified_folds
from stackkit.host import Component, Host, load_host
from stackkit.recipe import Recipe, resolve
from stackkit.registry import Registry
from stackkit.specs import AggregatorSpec, ComponentSpec, LearnerSpec
from stackkit.stacking import (
    FoldProbabilities,
    class_probabilities,
    fit_aggregator,
    fit_baseline,
    fit_learner,
    stack,
)
from stackkit.types import FitOn, SilentReporter


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """90 rows of 4 classes, (n, 12) float32 features that mix them, and labels in any order."""
    random = np.random.default_rng(3)
    labels = random.permutation(np.repeat([0, 1, 2, 3], [30, 30, 18, 12]))
    means = 0.8 * random.normal(size=(4, 12))
    return (means[labels] + random.normal(size=(90, 12))).astype(np.float32), labels


def first_fold(labels: np.ndarray, count: int = 3) -> Fold:
    return stratified_folds(labels, "abcdefgh", count, shuffle=False, seed=0)[0]


def test_a_class_missing_from_the_training_rows_keeps_its_column_with_0(blobs):
    X, y = blobs
    known = y != 1
    learner = LogisticRegression(max_iter=500).fit(X[known], y[known])
    probabilities = class_probabilities(learner, X, 5)
    assert probabilities.shape == (90, 5)
    assert not probabilities[:, [1, 4]].any()
    assert np.array_equal(probabilities[:, [0, 2, 3]], learner.predict_proba(X))


def test_probabilities_keep_the_learners_precision(blobs):
    X, y = blobs
    for precision in (np.float32, np.float64):
        learner = LogisticRegression(max_iter=500)
        fit = fit_learner(lambda it=learner: it, X.astype(precision), y, 4, first_fold(y), out_of_fold=3)
        assert fit.out_of_fold is not None
        assert {fit.in_sample.dtype, fit.out_of_fold.dtype, fit.test.dtype} == {np.dtype(precision)}


@pytest.mark.parametrize("count", [2, 3, 5])
def test_out_of_fold_probabilities_are_cross_val_predicts(blobs, count):
    X, y = blobs
    fold = first_fold(y)
    fit = fit_learner(lambda: LogisticRegression(max_iter=500), X, y, 4, fold, out_of_fold=count, seed=8)
    train, labels = X[fold.train], y[fold.train]
    parts = [(part.train, part.test) for part in inner_folds(labels, count, seed=8)]
    wanted = cross_val_predict(
        LogisticRegression(max_iter=500), train, labels, cv=parts, method="predict_proba"
    )
    assert np.array_equal(fit.out_of_fold, wanted)


def test_in_sample_and_test_probabilities_come_from_one_learner_fitted_on_the_training_rows(blobs):
    X, y = blobs
    fold = first_fold(y)
    fit = fit_learner(lambda: LogisticRegression(max_iter=500), X, y, 4, fold)
    learner = LogisticRegression(max_iter=500).fit(X[fold.train], y[fold.train])
    assert np.array_equal(fit.in_sample, learner.predict_proba(X[fold.train]))
    assert np.array_equal(fit.test, learner.predict_proba(X[fold.test]))
    assert np.array_equal(fit.test_labels, learner.predict(X[fold.test]))
    assert fit.out_of_fold is None


def test_features_are_left_as_they_were(blobs):
    X, y = blobs
    before = X.copy()
    fit_learner(lambda: LogisticRegression(max_iter=500), X, y, 4, first_fold(y), out_of_fold=3)
    assert np.array_equal(X, before)


class CountingLearner(LogisticRegression):
    """A logistic regression that remembers the shape of everything it was fitted on."""

    fitted_on: ClassVar[list[tuple[int, ...]]] = []

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        self.fitted_on.append(X.shape)
        return super().fit(X, y, sample_weight)


class KeepsWhatItGets:
    """An aggregator that remembers what it was handed and always answers label 0."""

    handed: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []

    def __init__(self, fit_on: FitOn = "in-sample") -> None:
        self.fit_on = fit_on

    def fit(self, probabilities: np.ndarray, labels: np.ndarray) -> object:
        self.handed.append((probabilities, labels))
        return self

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        return np.zeros(probabilities.shape[1], dtype=np.int64)


def counting_learner() -> CountingLearner:
    return CountingLearner(max_iter=500)


def wants_in_sample() -> KeepsWhatItGets:
    return KeepsWhatItGets("in-sample")


def wants_out_of_fold() -> KeepsWhatItGets:
    return KeepsWhatItGets("out-of-fold")


@pytest.fixture
def registry() -> Registry:
    """stackkit's own components, a learner that counts and aggregators that keep what they get."""
    own = load_host(environ={"STACKKIT_PLUGINS": ""})
    specs: list[ComponentSpec] = [
        LearnerSpec(name="counting", summary="", factory=f"{__name__}:counting_learner"),
        AggregatorSpec(name="in-sample", summary="", factory=f"{__name__}:wants_in_sample"),
        AggregatorSpec(name="out-of-fold", summary="", factory=f"{__name__}:wants_out_of_fold"),
    ]
    extra = [Component(spec=spec, plugin="test", distribution="test", version="1") for spec in specs]
    CountingLearner.fitted_on.clear()
    KeepsWhatItGets.handed.clear()
    return Registry(host=Host(plugins=own.plugins, components=(*own.components, *extra)))


def compare(registry: Registry, X: np.ndarray, y: np.ndarray, **words: Any) -> Comparison:
    """Two backbones: 5 and 7 of the 12 features; 3 folds outside, 4 inside."""
    recipe = Recipe(dataset="mnist", **{"learner": "counting", "inner_cv": 4, **words})
    return Comparison(
        ingredients=resolve(recipe, registry),
        features=[
            Features(label="five", trained=True, matrix=X[:, :5]),
            Features(label="seven", trained=True, matrix=X[:, 5:]),
        ],
        labels=y,
        n_classes=4,
        folds=stratified_folds(y, "abcd", 3, shuffle=False, seed=0),
        inner_cv=recipe.inner_cv,
        seed=recipe.seed,
        reporter=SilentReporter(),
    )


IN_SAMPLE = ("average-svm", "average-svm:C=2", "soft-vote", "in-sample")


@pytest.mark.parametrize("aggregators", [(), IN_SAMPLE[:1], IN_SAMPLE])
def test_learners_are_fitted_once_per_fold_and_backbone(registry, blobs, aggregators):
    compare(registry, *blobs, aggregators=aggregators).results()
    assert CountingLearner.fitted_on == [(60, 5)] * 3 + [(60, 7)] * 3


@pytest.mark.parametrize("more", [(), IN_SAMPLE, ("average-svm:fit_on=out-of-fold",)])
def test_inner_folds_are_fitted_once_if_any_aggregator_wants_out_of_fold(registry, blobs, more):
    compare(registry, *blobs, aggregators=("out-of-fold", *more)).results()
    assert CountingLearner.fitted_on == ([(60, 5)] + [(45, 5)] * 4) * 3 + ([(60, 7)] + [(45, 7)] * 4) * 3


def test_an_aggregator_gets_exactly_the_probabilities_it_declares(registry, blobs):
    X, y = blobs
    comparison = compare(registry, X, y, aggregators=("in-sample", "out-of-fold"))
    comparison.results()
    wanted = [
        [fit_learner(counting_learner, part, y, 4, fold, out_of_fold=4) for part in (X[:, :5], X[:, 5:])]
        for fold in comparison.folds
    ]
    handed = iter(KeepsWhatItGets.handed)
    for field in ("in_sample", "out_of_fold"):
        for fold, fits in zip(comparison.folds, wanted, strict=True):
            probabilities, labels = next(handed)
            assert np.array_equal(probabilities, np.stack([getattr(fit, field) for fit in fits]))
            assert np.array_equal(labels, y[fold.train])


def test_out_of_fold_is_never_replaced_by_in_sample(blobs):
    X, y = blobs
    fold = first_fold(y)
    made = stack([fit_learner(lambda: LogisticRegression(max_iter=500), X, y, 4, fold)])
    with pytest.raises(ValueError, match="wants out-of-fold"):
        fit_aggregator(wants_out_of_fold(), made, y[fold.train])


def test_fits_that_stop_early_are_reported_and_not_printed(blobs, recwarn):
    X, y = blobs
    hurried = fit_learner(lambda: LogisticRegression(max_iter=1), X, y, 4, first_fold(y))
    patient = fit_learner(lambda: LogisticRegression(max_iter=500), X, y, 4, first_fold(y))
    assert (hurried.converged, patient.converged) == (False, True)
    svm = LinearSVC(max_iter=1)
    assert fit_baseline(svm, X, y, 4, first_fold(y))[1] is False
    assert not [warning for warning in recwarn if issubclass(warning.category, ConvergenceWarning)]


def test_a_hurried_learner_is_no_fault_of_the_aggregator(registry, blobs):
    results = compare(
        registry, *blobs, learner="logistic:max_iter=1", aggregators=("soft-vote",), baseline=None
    ).results()
    assert [(r.kind, r.converged) for r in results] == [
        ("learner", False),
        ("learner", False),
        ("aggregator", True),
    ]


class Deprecated(LogisticRegression):
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        warnings.warn("this learner is old", FutureWarning, stacklevel=1)
        return super().fit(X, y, sample_weight)


def test_other_warnings_pass_on(blobs):
    X, y = blobs
    with pytest.warns(FutureWarning, match="this learner is old"):
        fit = fit_learner(lambda: Deprecated(max_iter=500), X, y, 4, first_fold(y))
    assert fit.converged


@pytest.mark.parametrize("learner", ["logistic", "logistic-ovr"])
def test_shuffled_labels_give_chance_accuracy(registry, learner):
    """Four equal classes: chance is 25 %; 240 predictions stay within 4.5 standard errors of it."""
    random = np.random.default_rng(11)
    X, y = random.normal(size=(240, 12)).astype(np.float32), random.permutation(240) % 4
    both = ("average-svm", "average-svm:fit_on=out-of-fold", "soft-vote")
    results = compare(registry, X, y, learner=learner, aggregators=both).results()
    assert len(results) == 2 + 2 + 3
    for result in results:
        assert result.accuracy == pytest.approx(0.25, abs=4.5 * (0.25 * 0.75 / 240) ** 0.5)


@pytest.mark.parametrize("name", ["average-svm", "soft-vote"])
def test_the_order_of_learners_is_immaterial(registry, blobs, name):
    X, y = blobs
    fold = first_fold(y)
    fits = [
        fit_learner(lambda: LogisticRegression(max_iter=500), part, y, 4, fold)
        for part in (X[:, :4], X[:, 4:8], X[:, 8:])
    ]
    choice = registry.one("aggregator", name)
    labels = [
        fit_aggregator(choice.create(), stack([fits[k] for k in order]), y[fold.train])[0].tolist()
        for order in ((0, 1, 2), (2, 0, 1), (2, 1, 0))
    ]
    assert labels[0] == labels[1] == labels[2]


def test_stacking_puts_learners_on_top_of_each_other(blobs):
    X, y = blobs
    fits = [
        fit_learner(counting_learner, part, y, 4, first_fold(y), out_of_fold=3)
        for part in (X[:, :5], X[:, 5:])
    ]
    stacked: FoldProbabilities = stack(fits)
    assert stacked.in_sample.shape == (2, 60, 4)
    assert stacked.test.shape == (2, 30, 4)
    assert stacked.out_of_fold is not None
    assert np.array_equal(stacked.out_of_fold[1], fits[1].out_of_fold)
