"""Comparisons: learners are fitted once, and aggregators get exactly what they declare."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from stackkit.api.aggregator import FitOn
from stackkit.api.learner import Learner
from stackkit.api.reporter import SilentReporter
from stackkit.api.specs import AggregatorSpec, ComponentSpec, LearnerSpec
from stackkit.evaluation.classifiers import check_classifiers
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import Fold, inner_folds, stratified_folds
from stackkit.evaluation.probabilities import FoldProbabilities, class_probabilities, out_of_fold
from stackkit.evaluation.protocol import Protocol
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.host.component import Component
from stackkit.host.host import Host, load_host
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe, resolve
from stackkit.report.caveats import notes


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
    probabilities = FoldProbabilities(in_sample=three, out_of_fold=None, test=three)
    with pytest.raises(ValueError, match="needs out-of-fold probabilities"):
        probabilities.for_aggregator("out-of-fold")


def test_rows_of_inner_folds_return_to_their_places():
    rows = np.array([4, 1, 3, 0, 2])
    folds = [Fold(train=rows[2:], test=rows[:2]), Fold(train=rows[:2], test=rows[2:])]
    parts = [fold.test[:, None] / 10 for fold in folds]
    assert out_of_fold(parts, folds)[:, 0].tolist() == [0, 0.1, 0.2, 0.3, 0.4]


class CountingLearner(LogisticRegression):
    """A logistic regression that records the shapes it was fitted on."""

    fitted_on: ClassVar[list[tuple[int, ...]]] = []

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        self.fitted_on.append(X.shape)
        return super().fit(X, y, sample_weight)


class RecordingAggregator:
    """An aggregator that records what it receives and always predicts label 0."""

    created: ClassVar[list[FitOn]] = []

    fitted_on: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []
    predicted_from: ClassVar[list[np.ndarray]] = []

    def __init__(self, fit_on: FitOn = "in-sample") -> None:
        self.fit_on = fit_on
        self.created.append(fit_on)

    def fit(self, probabilities: np.ndarray, labels: np.ndarray) -> object:
        self.fitted_on.append((probabilities, labels))
        return self

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        self.predicted_from.append(probabilities)
        return np.zeros(probabilities.shape[1], dtype=np.int64)


class HstackAggregator:
    """An aggregator on features: fits the learner on all of them side by side."""

    fit_on = "features"

    def fit(self, features: Sequence[np.ndarray], labels: np.ndarray, learner: Learner) -> object:
        self.learner = learner
        return learner.fit(np.hstack(features), labels)

    def predict(self, features: Sequence[np.ndarray]) -> np.ndarray:
        return self.learner.predict(np.hstack(features))


def counting_learner() -> CountingLearner:
    return CountingLearner(max_iter=500)


def in_sample_aggregator() -> RecordingAggregator:
    return RecordingAggregator("in-sample")


def out_of_fold_aggregator() -> RecordingAggregator:
    return RecordingAggregator("out-of-fold")


@pytest.fixture
def registry() -> Registry:
    """Built-in components, a learner that records its fits and aggregators that record their inputs."""
    own = load_host(environ={"STACKKIT_PLUGINS": ""})
    specs: list[ComponentSpec] = [
        LearnerSpec(name="counting", summary="", factory=f"{__name__}:counting_learner"),
        LearnerSpec(name="largest", summary="", factory=f"{__name__}:LargestClass"),
        AggregatorSpec(name="in-sample", summary="", factory=f"{__name__}:in_sample_aggregator"),
        AggregatorSpec(name="out-of-fold", summary="", factory=f"{__name__}:out_of_fold_aggregator"),
        AggregatorSpec(name="hstack", summary="", factory=f"{__name__}:HstackAggregator"),
    ]
    extra = [Component(spec=spec, plugin="test", distribution="test", version="1") for spec in specs]
    CountingLearner.fitted_on.clear()
    RecordingAggregator.created.clear()
    RecordingAggregator.fitted_on.clear()
    RecordingAggregator.predicted_from.clear()
    return Registry(host=Host(plugins=own.plugins, components=(*own.components, *extra)))


def compare(
    registry: Registry,
    X: np.ndarray,
    y: np.ndarray,
    *,
    on_fold: Callable[[FoldOutcome], None] = lambda outcome: None,
    **fields: Any,
) -> Comparison:
    """Two backbones with 5 and 7 of the 12 features; 3 folds, 4 inner folds."""
    recipe = Recipe(dataset="mnist", **{"learners": ("counting",), "inner_cv": 4, "jobs": 1, **fields})
    return Comparison(
        fit_plan=FitPlan(
            classifiers=check_classifiers(resolve(recipe, registry)),
            features=[Features.from_matrix("five", X[:, :5]), Features.from_matrix("seven", X[:, 5:])],
            labels=y,
            n_classes=4,
            inner_cv=recipe.inner_cv,
            refit=recipe.refit,
            seed=recipe.seed,
        ),
        folds=stratified_folds(y, "abcd", 3, shuffle=False, seed=0),
        scheduler=FitScheduler(cache=FitCache(None), reporter=SilentReporter(), jobs=recipe.jobs),
        on_fold=on_fold,
    )


IN_SAMPLE = ("average-svm", "average-svm:C=2", "soft-vote", "in-sample")


@pytest.mark.parametrize("aggregators", [(), IN_SAMPLE[:1], IN_SAMPLE])
def test_learners_are_fitted_once_per_fold_and_backbone(registry, blobs, aggregators):
    compare(registry, *blobs, aggregators=aggregators).run()
    assert CountingLearner.fitted_on == [(60, 5), (60, 7)] * 3


@pytest.mark.parametrize("more", [(), IN_SAMPLE, ("average-svm:fit_on=out-of-fold",)])
def test_inner_folds_are_fitted_once_if_any_aggregator_uses_out_of_fold(registry, blobs, more):
    compare(registry, *blobs, aggregators=("out-of-fold", *more)).run()
    assert CountingLearner.fitted_on == ([(60, 5), (60, 7)] + [(45, 5)] * 4 + [(45, 7)] * 4) * 3


def test_a_baseline_that_is_the_learner_too_is_fitted_once(registry, blobs):
    results = compare(
        registry, *blobs, aggregators=("soft-vote",), baselines=("counting", "linear-svm")
    ).run()
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
    comparison.run()
    received, predicted_from = (
        iter(RecordingAggregator.fitted_on),
        iter(RecordingAggregator.predicted_from),
    )
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
        for expected, tolerance in ((in_sample, 0), (held_out, 1e-6)):
            probabilities, its_labels = next(received)
            assert np.allclose(probabilities, expected, rtol=0, atol=tolerance)
            assert np.array_equal(its_labels, labels)
            assert np.array_equal(next(predicted_from), new)


def test_aggregators_are_created_once_before_the_run_and_once_per_fit(registry, blobs):
    comparison = compare(registry, *blobs, aggregators=("in-sample", "out-of-fold"))
    assert RecordingAggregator.created == ["in-sample", "out-of-fold"]
    comparison.run()
    assert RecordingAggregator.created == ["in-sample", "out-of-fold"] * (1 + 3)


def test_the_note_on_in_sample_probabilities_names_all_that_are_fitted_on_them(registry, blobs):
    """Also aggregators without an option for it."""
    chosen = ("in-sample", "average-svm:fit_on=out-of-fold", "average-svm", "hstack")
    comparison = compare(registry, *blobs, aggregators=chosen)
    protocol = Protocol(kind="cross-validation", folds=3, shuffle=False, seed=0)
    (note,) = [
        note
        for note in notes(protocol, comparison, comparison.run(), [], {})
        if note.startswith("Fitted on in-sample")
    ]
    assert "recipe: in-sample, average-svm. The base learners" in note


def test_without_refit_the_inner_folds_learners_predict_the_test_rows_together(registry, blobs):
    X, y = blobs
    comparison = compare(registry, X, y, aggregators=("in-sample", "out-of-fold"), refit=False)
    comparison.run()
    (fold, *_), predicted_from = comparison.folds, RecordingAggregator.predicted_from
    parts = inner_folds(y[fold.train], 4, seed=0)
    for i, columns in enumerate((slice(None, 5), slice(5, None))):
        full = counting_learner().fit(X[fold.train, columns], y[fold.train])
        inner = [
            counting_learner().fit(X[fold.train[part.train], columns], y[fold.train[part.train]])
            for part in parts
        ]
        mean = np.mean([learner.predict_proba(X[fold.test, columns]) for learner in inner], axis=0)
        assert np.allclose(predicted_from[0][i], full.predict_proba(X[fold.test, columns]), atol=1e-6)
        assert np.allclose(predicted_from[1][i], mean, atol=1e-6)


def test_an_aggregator_on_features_receives_all_backbones_and_the_learner(registry, blobs):
    X, y = blobs
    comparison = compare(registry, X, y, aggregators=("hstack",), baselines=())
    *_, result = comparison.run()
    expected = [
        np.mean(counting_learner().fit(X[f.train], y[f.train]).predict(X[f.test]) == y[f.test])
        for f in comparison.folds
    ]
    assert result.fit_on == "features"
    assert list(result.fold_accuracy) == expected


def test_an_aggregator_on_features_needs_no_probabilities(registry, blobs):
    results = compare(
        registry, *blobs, learners=("linear-svm",), aggregators=("hstack",), baselines=()
    ).run()
    assert [r.kind for r in results] == ["learner", "learner", "aggregator"]


def test_each_fold_is_reported_as_soon_as_it_is_complete(registry, blobs):
    outcomes: list[FoldOutcome] = []
    comparison = compare(
        registry, *blobs, aggregators=("soft-vote", "out-of-fold"), on_fold=outcomes.append
    )
    comparison.run()
    assert [outcome.number for outcome in outcomes] == [0, 1, 2]
    for outcome in outcomes:
        assert outcome.probabilities is not None
        assert outcome.probabilities.test.shape == (2, 30, 4)
        assert outcome.probabilities.out_of_fold is not None
        assert (
            outcome.probabilities.out_of_fold.shape
            == outcome.probabilities.in_sample.shape
            == (2, 60, 4)
        )
        assert len(outcome.results) == len(outcome.rows) == len(comparison.fit_plan.rows)


def test_a_learner_that_stops_early_is_not_reported_for_the_aggregator(registry, blobs):
    results = compare(
        registry, *blobs, learners=("logistic:max_iter=1",), aggregators=("soft-vote",), baselines=()
    ).run()
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
    results = compare(registry, X, y, learners=(learner,), aggregators=both).run()
    assert len(results) == 2 + 2 + 3
    for result in results:
        assert result.accuracy == pytest.approx(0.25, abs=4.5 * (0.25 * 0.75 / 240) ** 0.5)


def notes_of(comparison: Comparison) -> str:
    protocol = Protocol(kind="cross-validation", folds=3, shuffle=False, seed=0)
    return "\n".join(notes(protocol, comparison, comparison.run(), [], {}))


class LargestClass:
    """A learner that always answers the most common label."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> object:
        self.classes_, sizes = np.unique(y, return_counts=True)
        self.shares = sizes / sizes.sum()
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        answer: np.ndarray = np.full(len(X), self.classes_[self.shares.argmax()])
        return answer

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.tile(self.shares, (len(X), 1))


def test_always_answering_the_largest_of_unequal_classes_is_said_to_be_worth_nothing(registry):
    """60 images against 3: 95.2 % by answering the first class, and 50 % where both count the same."""
    y = np.repeat([0, 1], [60, 3])
    X = np.random.default_rng(0).normal(size=(63, 12)).astype(np.float32)
    comparison = compare(registry, X, y, learners=("largest",), aggregators=("soft-vote",), baselines=())
    result, *_ = comparison.run()
    assert result.accuracy == pytest.approx(60 / 63)
    assert result.balanced_accuracy == 0.5
    found = notes_of(comparison)
    assert (
        "Not shown to be better than always answering the largest class, which is right for 95.2 % of "
        "the test images: largest on five, largest on seven, soft-vote." in found
    )
    assert "Classes have 3 to 60 test images and are not recognised equally well." in found
    assert "largest on five is right for 50.0 % instead of 95.2 %" in found


def test_classes_that_are_recognised_equally_well_need_no_note(registry, blobs):
    found = notes_of(compare(registry, *blobs, aggregators=("soft-vote",), baselines=()))
    assert "largest class" not in found
    assert "equally well" not in found


def test_classifiers_that_weight_classes_are_named_once(registry, blobs):
    weighted = "logistic:class_weight=balanced"
    found = notes_of(
        compare(registry, *blobs, learners=(weighted,), aggregators=("soft-vote",), baselines=())
    )
    assert f"by their inverse frequency (class_weight=balanced): {weighted}. Their" in found


@pytest.mark.parametrize(
    ("inner_cv", "told"),
    [
        (100, "from 20 shuffled stratified folds inside each training fold (--inner-cv 100 is more"),
        (4, "from 4 shuffled stratified folds inside each training fold; test"),
    ],
)
def test_inner_folds_that_are_cut_to_the_largest_class_are_told(registry, blobs, inner_cv, told):
    aggregators = ("weighted-vote",)
    assert told in notes_of(
        compare(registry, *blobs, aggregators=aggregators, baselines=(), inner_cv=inner_cv)
    )


OUT_OF_FOLD = ("stacked-logistic", "weighted-vote", "ensemble-selection:metric=accuracy")


def with_single_images(registry: Registry, **fields: Any) -> Comparison:
    """Ten classes; in training, seven have a single image and three have eight."""
    random = np.random.default_rng(5)
    train = np.repeat(np.arange(10), [8, 8, 8, *[1] * 7])
    y = np.concatenate([train, np.repeat(np.arange(10), 4)])
    means = 2 * random.normal(size=(10, 12))
    X = (means[y] + random.normal(size=(len(y), 12))).astype(np.float32)
    comparison = compare(registry, X, y % 3, baselines=(), **fields)
    rows = np.arange(len(y))
    return replace(
        comparison,
        fit_plan=replace(comparison.fit_plan, labels=y, n_classes=10),
        folds=[Fold(train=rows[: len(train)], test=rows[len(train) :])],
    )


def test_images_that_no_inner_fold_can_predict_do_not_wreck_the_aggregators(registry):
    comparison = with_single_images(registry, aggregators=("soft-vote", *OUT_OF_FOLD))
    *_, soft_vote, stacked, weighted, selected = comparison.run()
    accuracies = {result.name: result.accuracy for result in (soft_vote, stacked, weighted, selected)}
    assert soft_vote.accuracy >= 0.7
    assert min(accuracies.values()) >= soft_vote.accuracy - 0.05, accuracies
    told = "In 1 of 1 folds, 7 training image(s) have no image of their class outside their own"
    assert told in notes_of(comparison)


@pytest.mark.parametrize("single", [False, True])
def test_aggregators_get_equal_probabilities_for_the_only_image_of_a_class(registry, blobs, single):
    X, y = blobs
    comparison = compare(registry, X, y, aggregators=("out-of-fold",), baselines=())
    fold = comparison.folds[0]
    of_last = y[fold.train] == 3
    keep = ~of_last | (np.cumsum(of_last) == 1) if single else np.full(len(of_last), True)
    comparison = replace(comparison, folds=[replace(fold, train=fold.train[keep])])
    comparison.run()
    ((known, labels),) = RecordingAggregator.fitted_on
    assert known.shape == (2, keep.sum(), 4)
    equal = (known == 0.25).all(axis=(0, 2))
    assert equal.tolist() == ((labels == 3) & single).tolist()
