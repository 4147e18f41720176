"""stackkit reproduces the published recipe: the same rows as plain code with mlxtend."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlxtend.classifier import StackingClassifier
from mlxtend.feature_selection import ColumnSelector
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

import stackkit.evaluation.comparison
from stackkit.api.images import squash
from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.classifiers import check_classifiers
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import stratified_folds
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe, resolve

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two OpenBLAS pools on few cores are slow, and sums may depend on the number of threads."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))


@dataclass(frozen=True)
class Table:
    """Features of several backbones, (n, d) float32 each, and labels (n,)."""

    matrices: Sequence[np.ndarray]
    labels: np.ndarray

    @cached_property
    def all(self) -> np.ndarray:
        return np.hstack(self.matrices)

    @property
    def columns(self) -> list[tuple[int, ...]]:
        edges = np.cumsum([0, *(matrix.shape[1] for matrix in self.matrices)]).tolist()
        return [tuple(range(*pair)) for pair in itertools.pairwise(edges)]


@pytest.fixture(scope="module")
def birds(cub_root: Path, shared_data: Path, registry: Registry) -> Table:
    """12 photographs of each of 20 species; features of a real pretrained network at two sizes."""
    dataset = registry.one("dataset", f"cub200:root={cub_root},limit=12").create()
    weights = shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
    if not weights.is_file():
        pytest.skip(f"the shared weights are missing: {weights}")
    name = f"mobilenet:alpha=0.25,weights={weights},size"
    backbones = [registry.one("backbone", f"{name}={size}").create() for size in (128, 160)]
    images = [dataset.image(i) for i in range(len(dataset.samples))]
    return Table(
        [
            backbone.extract(np.stack([squash(image, backbone.image_size) for image in images]))
            for backbone in backbones
        ],
        np.array([sample.label for sample in dataset.samples]),
    )


def synthetic(seed: int, per_class: int, classes: int, widths: Sequence[int]) -> Table:
    """Return rectified noise around class means, like pooled activations, with overlapping classes."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    matrices = []
    for width in widths:
        means = 0.25 * random.normal(size=(classes, width))
        noisy = np.maximum(means[labels] + random.normal(size=(len(labels), width)), 0)
        matrices.append((noisy * random.uniform(0.2, 3)).astype(np.float32))
    return Table(matrices, labels)


SYNTHETIC = {
    "small": (0, 6, 3, (5, 8)),
    "two classes": (1, 30, 2, (64, 257)),
    "one backbone": (2, 9, 7, (130,)),
    "five backbones": (3, 12, 5, (16, 33, 64, 100, 31)),
    "uneven thirds": (4, 13, 8, (256, 384, 513)),
    "many classes": (5, 4, 40, (96, 48)),
}


SLOW = {"one backbone", "uneven thirds", "five backbones"}
"""Tables of shapes between the others, compared only with `-m slow`."""


def table_params(*names: str) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in names]


@pytest.fixture(scope="module", params=table_params("birds", *SYNTHETIC))
def table(request: pytest.FixtureRequest) -> Table:
    if request.param == "birds":
        found: Table = request.getfixturevalue("birds")
        return found
    return synthetic(*SYNTHETIC[request.param])


def plain(table: Table, learner: Any, svm: Any) -> StackingClassifier:
    """Return the recipe as its author wrote it, on the concatenated features."""
    return StackingClassifier(
        [make_pipeline(ColumnSelector(columns), learner) for columns in table.columns],
        meta_classifier=svm,
        use_probas=True,
        average_probas=True,
    )


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[list[np.ndarray]]:
    """Labels that `Comparison` scores: for each result, in order, one array per fold."""
    seen: list[list[np.ndarray]] = []
    score = stackkit.evaluation.comparison.score

    def spy(name: Any, kind: Any, backbones: Any, folds: Any, **rest: Any) -> Result:
        seen.append([labels for labels, _ in folds])
        return score(name, kind, backbones, folds, **rest)

    monkeypatch.setattr(stackkit.evaluation.comparison, "score", spy)
    return seen


def compare(
    table: Table, registry: Registry, n_classes: int | None = None, **words: Any
) -> list[Result]:
    """Compute all results through the code path of `stackkit run`."""
    names = tuple(f"backbone-{number}" for number, _ in enumerate(table.matrices))
    recipe = Recipe(dataset="mnist", **words)
    n_classes = n_classes or int(table.labels.max()) + 1
    return Comparison(
        fit_plan=FitPlan(
            classifiers=check_classifiers(resolve(recipe, registry)),
            features=[
                Features.from_matrix(name, matrix)
                for name, matrix in zip(names, table.matrices, strict=True)
            ],
            labels=table.labels,
            n_classes=n_classes,
            inner_cv=recipe.inner_cv,
            seed=recipe.seed,
        ),
        folds=stratified_folds(
            table.labels, [str(k) for k in range(n_classes)], recipe.cv, shuffle=False, seed=0
        ),
        scheduler=FitScheduler(cache=FitCache(None), reporter=SilentReporter(), jobs=2),
    ).run()


def assert_rows_equal(found: Sequence[np.ndarray], stack: Any, table: Table) -> None:
    splits = StratifiedKFold(3).split(table.all, table.labels)
    for labels, (train, test) in zip(found, splits, strict=True):
        expected = stack.fit(table.all[train], table.labels[train]).predict(table.all[test])
        assert labels.tolist() == expected.tolist()


def test_average_svm_predicts_the_same_rows_as_the_plain_recipe(table, registry, predicted):
    compare(table, registry, aggregators=("average-svm",), baselines=())
    stack = plain(table, LogisticRegression(), LinearSVC(dual=True, random_state=0))
    assert_rows_equal(predicted[-1], stack, table)


def test_its_fold_accuracies_are_those_of_cross_val_score_to_the_last_digit(table, registry):
    *_, result = compare(table, registry, aggregators=("average-svm",), baselines=())
    stack = plain(table, LogisticRegression(), LinearSVC(dual=True, random_state=0))
    scores = cross_val_score(stack, table.all, table.labels, cv=3)
    assert list(result.fold_accuracy) == scores.tolist()
    assert result.accuracy == scores.mean()


def test_todays_linear_svc_is_available_by_an_option(table, registry, predicted):
    compare(table, registry, aggregators=("average-svm:dual=auto",), baselines=())
    assert_rows_equal(predicted[-1], plain(table, LogisticRegression(), LinearSVC()), table)


def test_the_logistic_regression_of_2017_is_available_by_name(table, registry, predicted):
    compare(table, registry, learners=("logistic-ovr",), aggregators=("average-svm",), baselines=())
    then = OneVsRestClassifier(LogisticRegression(solver="liblinear"))
    assert_rows_equal(predicted[-1], plain(table, then, LinearSVC(dual=True, random_state=0)), table)


def test_the_baseline_is_cross_val_score_of_linear_svc(table, registry, predicted):
    results = compare(table, registry, aggregators=())
    svm = LinearSVC(dual=True, random_state=0)
    for result, matrix in zip(results, table.matrices, strict=False):
        scores = cross_val_score(svm, matrix, table.labels, cv=3)
        assert result.kind == "baseline"
        assert list(result.fold_accuracy) == scores.tolist()
        assert result.accuracy == scores.mean()
    assert_rows_equal(predicted[0], make_pipeline(ColumnSelector(table.columns[0]), svm), table)


def test_learners_alone_are_cross_val_score_of_logistic_regression(table, registry):
    results = compare(table, registry, aggregators=(), baselines=())
    for result, columns in zip(results, table.columns, strict=True):
        pipeline = make_pipeline(ColumnSelector(columns), LogisticRegression())
        scores = cross_val_score(pipeline, table.all, table.labels, cv=3)
        assert list(result.fold_accuracy) == scores.tolist()


def test_a_class_without_images_changes_no_row(registry, predicted):
    table = synthetic(*SYNTHETIC["one backbone"])
    gap = Table(table.matrices, np.where(table.labels > 2, table.labels + 1, table.labels))
    compare(gap, registry, n_classes=10, aggregators=("average-svm",), baselines=())
    stack = plain(gap, LogisticRegression(), LinearSVC(dual=True, random_state=0))
    assert_rows_equal(predicted[-1], stack, gap)
    assert not (np.concatenate(predicted[-1]) == 3).any()


@pytest.mark.parametrize("learner", ["logistic", "logistic-ovr"])
@pytest.mark.parametrize("name", table_params(*SYNTHETIC))
def test_the_mean_probabilities_equal_the_recipes_to_the_last_bit(name, learner, registry):
    table = synthetic(*SYNTHETIC[name])
    configured = registry.one("learner", learner)
    train, test = next(StratifiedKFold(3).split(table.all, table.labels))
    found = [
        LearnerFit(
            learner=configured,
            features=Features.from_matrix("any", X),
            labels=table.labels,
            n_classes=int(table.labels.max()) + 1,
            train=train,
            test=test,
            probabilities=True,
            in_sample=True,
        ).run()
        for X in table.matrices
    ]
    recipe = plain(table, configured.create(), LinearSVC(dual=True, random_state=0))
    recipe.fit(table.all[train], table.labels[train])
    for part, rows in (("in_sample", train), ("probabilities", test)):
        expected = recipe.predict_meta_features(table.all[rows])
        probabilities = np.stack([getattr(result, part) for result in found])
        assert probabilities.dtype == expected.dtype
        assert np.array_equal(np.average(probabilities, axis=0), expected)


def test_concat_predicts_the_same_rows_as_a_plain_pipeline(table, registry, predicted):
    compare(table, registry, aggregators=("concat",), baselines=())
    blocks = [(str(columns[0]), Normalizer(), list(columns)) for columns in table.columns]
    assert_rows_equal(
        predicted[-1], make_pipeline(ColumnTransformer(blocks), LogisticRegression()), table
    )
