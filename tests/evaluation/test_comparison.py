"""Stacking: learners are fitted once and aggregators get exactly what they declare."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from stackkit.api.specs import AggregatorSpec, ComponentSpec, LearnerSpec
from stackkit.api.types import FitOn, Learner, SilentReporter
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.folds import Fold, inner_folds, stratified_folds
from stackkit.evaluation.probabilities import FoldProbabilities, class_probabilities, out_of_fold
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.host.component import Component
from stackkit.host.host import Host, load_host
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe, resolve


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


def test_a_class_missing_from_the_training_rows_keeps_its_column_with_0(blobs):
    X, y = blobs
    known = y != 1
    learner = LogisticRegression(max_iter=500).fit(X[known], y[known])
    probabilities = class_probabilities(learner, X, 5)
    assert probabilities.shape == (90, 5)
    assert not probabilities[:, [1, 4]].any()
    assert np.array_equal(probabilities[:, [0, 2, 3]], learner.predict_proba(X))


def test_out_of_fold_is_never_replaced_by_in_sample():
    three = np.zeros((1, 3, 2))
    made = FoldProbabilities(in_sample=three, out_of_fold=None, test=three)
    with pytest.raises(ValueError, match="wants out-of-fold"):
        made.for_aggregator("out-of-fold")


def test_rows_of_inner_folds_go_back_to_their_places():
    rows = np.array([4, 1, 3, 0, 2])
    folds = [Fold(train=rows[2:], test=rows[:2]), Fold(train=rows[:2], test=rows[2:])]
    parts = [fold.test[:, None] / 10 for fold in folds]
    assert out_of_fold(parts, folds)[:, 0].tolist() == [0, 0.1, 0.2, 0.3, 0.4]


class CountingLearner(LogisticRegression):
    """A logistic regression that remembers the shape of everything it was fitted on."""

    fitted_on: ClassVar[list[tuple[int, ...]]] = []

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        self.fitted_on.append(X.shape)
        return super().fit(X, y, sample_weight)


class KeepsWhatItGets:
    """An aggregator that remembers what it was handed and always answers label 0."""

    handed: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []
    asked: ClassVar[list[np.ndarray]] = []

    def __init__(self, fit_on: FitOn = "in-sample") -> None:
        self.fit_on = fit_on

    def fit(self, probabilities: np.ndarray, labels: np.ndarray) -> object:
        self.handed.append((probabilities, labels))
        return self

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        self.asked.append(probabilities)
        return np.zeros(probabilities.shape[1], dtype=np.int64)


class SideBySide:
    """An aggregator on features: the learner on all of them, as they are."""

    fit_on = "features"

    def fit(self, features: Sequence[np.ndarray], labels: np.ndarray, learner: Learner) -> object:
        self.learner = learner
        return learner.fit(np.hstack(features), labels)

    def predict(self, features: Sequence[np.ndarray]) -> np.ndarray:
        return self.learner.predict(np.hstack(features))


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
        AggregatorSpec(name="side-by-side", summary="", factory=f"{__name__}:SideBySide"),
    ]
    extra = [Component(spec=spec, plugin="test", distribution="test", version="1") for spec in specs]
    CountingLearner.fitted_on.clear()
    KeepsWhatItGets.handed.clear()
    KeepsWhatItGets.asked.clear()
    return Registry(host=Host(plugins=own.plugins, components=(*own.components, *extra)))


def compare(
    registry: Registry,
    X: np.ndarray,
    y: np.ndarray,
    *,
    kept: FitCache | None = None,
    tell: Callable[[FoldOutcome], None] = lambda outcome: None,
    **words: Any,
) -> Comparison:
    """Two backbones: 5 and 7 of the 12 features; 3 folds outside, 4 inside."""
    recipe = Recipe(dataset="mnist", **{"learner": "counting", "inner_cv": 4, "jobs": 1, **words})
    return Comparison(
        components=resolve(recipe, registry),
        features=[Features.of("five", X[:, :5]), Features.of("seven", X[:, 5:])],
        labels=y,
        n_classes=4,
        folds=stratified_folds(y, "abcd", 3, shuffle=False, seed=0),
        inner_cv=recipe.inner_cv,
        refit=recipe.refit,
        seed=recipe.seed,
        scheduler=FitScheduler(kept=kept or FitCache(None), reporter=SilentReporter(), jobs=recipe.jobs),
        tell=tell,
    )


IN_SAMPLE = ("average-svm", "average-svm:C=2", "soft-vote", "in-sample")


@pytest.mark.parametrize("aggregators", [(), IN_SAMPLE[:1], IN_SAMPLE])
def test_learners_are_fitted_once_per_fold_and_backbone(registry, blobs, aggregators):
    compare(registry, *blobs, aggregators=aggregators).results()
    assert CountingLearner.fitted_on == [(60, 5), (60, 7)] * 3


@pytest.mark.parametrize("more", [(), IN_SAMPLE, ("average-svm:fit_on=out-of-fold",)])
def test_inner_folds_are_fitted_once_if_any_aggregator_wants_out_of_fold(registry, blobs, more):
    compare(registry, *blobs, aggregators=("out-of-fold", *more)).results()
    assert CountingLearner.fitted_on == ([(60, 5), (60, 7)] + [(45, 5)] * 4 + [(45, 7)] * 4) * 3


def test_a_baseline_that_is_the_learner_too_is_fitted_once(registry, blobs):
    results = compare(
        registry, *blobs, aggregators=("soft-vote",), baselines=("counting", "linear-svm")
    ).results()
    assert CountingLearner.fitted_on == [(60, 5), (60, 7)] * 3
    assert [(r.name, r.kind) for r in results] == [
        *[("counting", "baseline")] * 2,
        *[("linear-svm", "baseline")] * 2,
        *[("counting", "learner")] * 2,
        ("soft-vote", "aggregator"),
    ]
    assert results[0].fold_accuracy == results[4].fold_accuracy


def test_an_aggregator_gets_exactly_the_probabilities_it_declares(registry, blobs):
    """Out-of-fold ones are scikit-learn's `cross_val_predict` on the same inner folds."""
    X, y = blobs
    comparison = compare(registry, X, y, aggregators=("in-sample", "out-of-fold"))
    comparison.results()
    handed, asked = iter(KeepsWhatItGets.handed), iter(KeepsWhatItGets.asked)
    for fold in comparison.folds:
        labels = y[fold.train]
        folds = [(part.train, part.test) for part in inner_folds(labels, 4, seed=0)]
        in_sample, held_out, new = [], [], []
        for part in (X[:, :5], X[:, 5:]):
            known = np.asfortranarray(part[fold.train])
            learner = counting_learner().fit(known, labels)
            in_sample.append(learner.predict_proba(known))
            new.append(learner.predict_proba(np.asfortranarray(part[fold.test])))
            held_out.append(
                cross_val_predict(counting_learner(), known, labels, cv=folds, method="predict_proba")
            )
        for wanted, tolerance in ((in_sample, 0), (held_out, 1e-6)):
            probabilities, its_labels = next(handed)
            assert np.allclose(probabilities, wanted, rtol=0, atol=tolerance)
            assert np.array_equal(its_labels, labels)
            assert np.array_equal(next(asked), new)


def test_without_refit_the_inner_folds_learners_predict_the_test_rows_together(registry, blobs):
    X, y = blobs
    comparison = compare(registry, X, y, aggregators=("in-sample", "out-of-fold"), refit=False)
    comparison.results()
    (fold, *_), asked = comparison.folds, KeepsWhatItGets.asked
    parts = inner_folds(y[fold.train], 4, seed=0)
    for i, columns in enumerate((slice(None, 5), slice(5, None))):
        full = counting_learner().fit(X[fold.train, columns], y[fold.train])
        inner = [
            counting_learner().fit(X[fold.train[part.train], columns], y[fold.train[part.train]])
            for part in parts
        ]
        mean = np.mean([learner.predict_proba(X[fold.test, columns]) for learner in inner], axis=0)
        assert np.allclose(asked[0][i], full.predict_proba(X[fold.test, columns]), atol=1e-6)
        assert np.allclose(asked[1][i], mean, atol=1e-6)


def test_an_aggregator_on_features_gets_those_of_all_backbones_and_the_runs_learner(registry, blobs):
    X, y = blobs
    comparison = compare(registry, X, y, aggregators=("side-by-side",), baselines=())
    *_, result = comparison.results()
    wanted = [
        np.mean(counting_learner().fit(X[f.train], y[f.train]).predict(X[f.test]) == y[f.test])
        for f in comparison.folds
    ]
    assert result.fit_on == "features"
    assert list(result.fold_accuracy) == wanted


def test_it_works_with_a_learner_that_gives_no_probabilities(registry, blobs):
    results = compare(
        registry, *blobs, learner="linear-svm", aggregators=("side-by-side",), baselines=()
    ).results()
    assert [r.kind for r in results] == ["learner", "learner", "aggregator"]


def test_folds_are_told_of_as_soon_as_they_are_there(registry, blobs):
    outcomes: list[FoldOutcome] = []
    comparison = compare(
        registry, *blobs, aggregators=("soft-vote", "out-of-fold"), tell=outcomes.append
    )
    comparison.results()
    assert [outcome.number for outcome in outcomes] == [0, 1, 2]
    for outcome in outcomes:
        assert outcome.stacked is not None
        assert outcome.stacked.test.shape == (2, 30, 4)
        assert outcome.stacked.out_of_fold is not None
        assert outcome.stacked.out_of_fold.shape == outcome.stacked.in_sample.shape == (2, 60, 4)
        assert len(outcome.answers) == len(outcome.rows) == len(comparison.rows)


def test_a_hurried_learner_is_no_fault_of_the_aggregator(registry, blobs):
    results = compare(
        registry, *blobs, learner="logistic:max_iter=1", aggregators=("soft-vote",), baselines=()
    ).results()
    assert [(r.kind, r.converged) for r in results] == [
        ("learner", False),
        ("learner", False),
        ("aggregator", True),
    ]


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
