"""Views: several feature rows per image, for training, for prediction, or averaged."""

from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from stackkit.api.reporter import SilentReporter
from stackkit.api.specs import LearnerSpec
from stackkit.evaluation.classifiers import check_classifiers
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import stratified_folds
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.protocol import Protocol
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe, resolve
from stackkit.report.caveats import notes

TRAIN, TEST = np.arange(60), np.arange(60, 90)
LABELS = np.random.default_rng(0).integers(0, 3, size=90)
N_CLASSES = 4  # there is no image of the last class
MEANS = np.random.default_rng(1).normal(size=(3, 6))
VIEWS = [
    (MEANS[LABELS] + scale * np.random.default_rng(seed).normal(size=(90, 6))).astype(np.float32)
    for seed, scale in enumerate([1, 1.2, 1.5])
]
"""Features of three views of 90 images, (90, 6) each."""


class Recording(LogisticRegression):
    """A logistic regression that records the labels and the groups that it is fitted on."""

    fitted_on: ClassVar[list[tuple[np.ndarray, np.ndarray | None]]] = []

    def fit(self, X: Any, y: Any, groups: Any = None) -> Any:
        self.fitted_on.append((y, groups))
        return super().fit(X, y)


class Voter:
    """A learner without probabilities or decision values: the first feature, rounded."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> object:
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        labels: np.ndarray = X[:, 0].astype(np.int64)
        return labels


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))


def own(factory: str, *, probabilities: bool = True, **host_options: Any) -> ConfiguredComponent:
    """A learner from this file."""
    spec = LearnerSpec(
        name="own", summary="", factory=f"{__name__}:{factory}", probabilities=probabilities
    )
    component = Component(spec=spec, plugin="test", distribution="test", version="1")
    return ConfiguredComponent(component=component, options={}, host_options=host_options, name="own")


def fit(
    learner: ConfiguredComponent, views: list[np.ndarray] | None = None, **fields: Any
) -> LearnerFit:
    needed = {"probabilities": True, "in_sample": True, "train": TRAIN, "test": TEST, **fields}
    return LearnerFit(
        learner=learner,
        features=Features.from_matrices("", VIEWS if views is None else views),
        labels=LABELS,
        n_classes=N_CLASSES,
        **needed,
    )


@pytest.fixture
def features() -> Features:
    """Three views of 700 images of which 600 are used, 4 features each."""
    random = np.random.default_rng(0)
    matrices = tuple(random.normal(size=(700, 4)).astype(np.float32) for _ in range(3))
    return Features(label="", trained=True, matrices=matrices, used_rows=np.arange(50, 650))


def test_features_are_taken_view_by_view_or_averaged_in_fortran_order(features):
    rows = np.random.default_rng(1).permutation(600)[:530]
    views = [matrix[50 + rows] for matrix in features.matrices]
    whole, last, all_views, average = (
        features.take(rows),
        features.take(rows, view=2),
        features.take_all_views(rows),
        features.take_average(rows),
    )
    assert np.array_equal(whole, views[0])
    assert np.array_equal(last, views[2])
    assert np.array_equal(all_views, np.concatenate(views))
    assert np.array_equal(average, np.mean(views, axis=0))
    assert all(taken.flags.f_contiguous for taken in (whole, last, all_views, average))


def test_every_view_is_part_of_the_digest_and_is_checked(features):
    whole = Features.from_matrix("", features.matrices[0])
    digests = {whole.digest}
    for views in ([0, 1], [1, 0], [0, 1, 2]):
        digests.add(Features.from_matrices("", [features.matrices[view] for view in views]).digest)
    assert len(digests) == 4
    features.matrices[1][52, 3] = np.nan
    assert features.first_nonfinite() == (1, 2)


def expected(use: str, train: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Probabilities of three classes, computed by hand."""
    average = np.mean(VIEWS, axis=0)
    known = {
        "rows": np.concatenate([view[train] for view in VIEWS]),
        "average": average[train],
        "probabilities": VIEWS[0][train],
    }[use]
    labels = np.concatenate([LABELS[train]] * (len(known) // len(train)))
    model = LogisticRegression(random_state=0).fit(np.asfortranarray(known), labels)
    predicted = [average] if use == "average" else VIEWS
    means: np.ndarray = np.mean([model.predict_proba(view[new]) for view in predicted], axis=0)
    return means


@pytest.mark.parametrize("use", ["rows", "average", "probabilities"])
def test_views_are_used_as_in_a_computation_by_hand(registry, use):
    result = fit(registry.one("learner", f"logistic:views={use}")).run()
    assert result.probabilities is not None
    assert result.in_sample is not None
    by_hand = expected(use, TRAIN, TEST)
    assert np.allclose(result.probabilities[:, :3], by_hand, atol=1e-6)
    assert not result.probabilities[:, 3].any()
    assert np.allclose(result.in_sample[:, :3], expected(use, TRAIN, TRAIN), atol=1e-6)
    assert result.labels.tolist() == by_hand.argmax(axis=1).tolist()


def test_with_one_view_its_use_changes_neither_results_nor_names_of_fits(registry):
    fits = [
        fit(registry.one("learner", text), VIEWS[:1])
        for text in ("logistic", "logistic:views=average", "logistic:views=probabilities")
    ]
    assert len({one.digest for one in fits}) == 1
    results = [one.run() for one in fits]
    for result in results[1:]:
        assert result.probabilities is not None
        assert np.array_equal(result.probabilities, results[0].probabilities)
    several = {fit(one.learner).digest for one in fits}
    assert len(several) == 3


@pytest.mark.parametrize("grouped", [False, True])
def test_views_of_one_image_share_a_group(grouped):
    Recording.fitted_on.clear()
    groups = np.arange(90) // 2 if grouped else None
    fit(own("Recording"), groups=groups, train=TRAIN[10:]).run()
    ((labels, received),) = Recording.fitted_on
    of_images = np.arange(50) // 2 if grouped else np.arange(50)
    assert received is not None
    assert received.tolist() == np.tile(of_images, 3).tolist()
    assert labels.tolist() == np.tile(LABELS[10:60], 3).tolist()
    fit(own("Recording", views="average"), groups=groups).run()
    _, received = Recording.fitted_on[-1]
    assert (received is None) == (not grouped)


@pytest.mark.parametrize("classes", [2, 3])
def test_without_probabilities_decision_values_are_averaged(registry, classes):
    train, test = TRAIN[LABELS[TRAIN] < classes], TEST[LABELS[TEST] < classes]
    learner = registry.one("learner", "linear-svm:max_iter=20000")
    needed = {"train": train, "test": test, "probabilities": False, "in_sample": False}
    found = fit(learner, **needed).run().labels
    known = np.asfortranarray(np.concatenate([view[train] for view in VIEWS]))
    machine = LinearSVC(dual=True, random_state=0, max_iter=20_000).fit(known, np.tile(LABELS[train], 3))
    values = np.mean([machine.decision_function(view[test]) for view in VIEWS], axis=0)
    by_hand = values > 0 if classes == 2 else values.argmax(axis=1)
    assert found.tolist() == by_hand.astype(int).tolist()


def test_without_decision_values_the_views_vote_and_the_whole_image_wins_ties():
    ballots = [[2, 1, 0, 3], [1, 1, 2, 3], [1, 2, 1, 3]]
    views = [np.zeros((90, 6), dtype=np.float32) for _ in ballots]
    for view, ballot in zip(views, ballots, strict=True):
        view[60:64, 0] = ballot
    learner = own("Voter", probabilities=False)
    needed = {"test": TEST[:4], "probabilities": False, "in_sample": False}
    assert fit(learner, views, **needed).run().labels.tolist() == [1, 1, 0, 3]
    assert fit(learner, views[:2], **needed).run().labels.tolist() == [2, 1, 0, 3]


def compare(registry: Registry, **fields: Any) -> Comparison:
    """Two backbones, the first with three views; the images are those of two files each."""
    recipe = Recipe(dataset="mnist", **fields)
    groups = np.arange(90) // 2
    labels = np.repeat(LABELS[:45], 2)
    features = [Features.from_matrices("three", VIEWS), Features.from_matrix("one", VIEWS[0][:, :4])]
    return Comparison(
        fit_plan=FitPlan(
            classifiers=check_classifiers(resolve(recipe, registry)),
            features=features,
            labels=labels,
            n_classes=3,
            inner_cv=3,
            seed=0,
            groups=groups,
        ),
        folds=stratified_folds(labels, "abc", 3, shuffle=False, seed=0, groups=groups),
        scheduler=FitScheduler(cache=FitCache(None), reporter=SilentReporter(), jobs=1),
    )


def test_no_fold_parts_the_views_of_an_image_and_aggregators_get_one_row_per_image(registry):
    seen = []
    comparison = compare(registry, aggregators=("stacked-logistic", "concat"))
    for number, fold in enumerate(comparison.folds):
        fits = comparison.fit_plan.fold_fits(number, fold)
        for one in (*fits.learners, *(inner for each in fits.inner for inner in each)):
            assert not set(one.train) & set(one.test)
            seen.append(len(one.train))
        assert len(fits.inner) == 2
        results = {one: one.run() for one in fits.learners + [i for e in fits.inner for i in e]}
        probabilities = fits.probabilities(results)
        assert probabilities.out_of_fold is not None
        assert probabilities.out_of_fold.shape == probabilities.in_sample.shape
        assert probabilities.in_sample.shape == (2, len(fold.train), 3)
        assert probabilities.test.shape == (2, len(fold.test), 3)
    assert len(seen) == 3 * (2 + 2 * 3)


def test_an_aggregator_on_features_gets_the_average_of_the_views(registry):
    comparison = compare(registry, aggregators=("concat",), baselines=())
    fold = comparison.folds[0]
    ((_, feature_fit),) = comparison.fit_plan.fold_fits(0, fold).feature_fits.items()
    labels, blocks = comparison.fit_plan.labels, [np.mean(VIEWS, axis=0), VIEWS[0][:, :4]]
    concat = registry.one("aggregator", "concat").create()
    known = [np.asfortranarray(block[fold.train]) for block in blocks]
    concat.fit(known, labels[fold.train], registry.one("learner", "logistic").create())
    expected = concat.predict([np.asfortranarray(block[fold.test]) for block in blocks])
    assert feature_fit.run().labels.tolist() == expected.tolist()


def test_the_notes_say_what_the_views_are_for(registry):
    comparison = compare(
        registry,
        learners=("logistic:views=average", "lda"),
        aggregators=("soft-vote", "concat"),
        baselines=("linear-svm",),
    )
    protocol = Protocol(kind="cross-validation", folds=3, shuffle=False, seed=0)
    found = " ".join(notes(protocol, comparison, comparison.run(), (), {}))
    assert "several views of each image (3 of three)" in found
    assert "training row, with predictions averaged over the views: linear-svm, lda." in found
    assert "predicting from it: logistic:views=average, concat." in found


def chosen(views: list[np.ndarray], learner: ConfiguredComponent | None = None, **fields: Any) -> str:
    """What a learner with views=auto does."""
    return fit(learner or own("LogisticRegression", views="auto"), views, **fields).run().views


def test_auto_uses_views_that_help_and_leaves_out_views_that_harm():
    """A second view that shows another class is harmful; one with less noise is helpful."""
    random = np.random.default_rng(5)
    noisy = (MEANS[LABELS] + 2 * random.normal(size=(90, 6))).astype(np.float32)
    clear = (MEANS[LABELS] + 0.5 * random.normal(size=(90, 6))).astype(np.float32)
    misleading = clear[random.permutation(90)]
    assert chosen([noisy, clear]) == "rows"
    assert chosen([clear, misleading]) == "whole"
    assert chosen([clear]) == ""  # there is nothing to choose
    silent = own("LinearSVC", probabilities=False, views="auto")
    assert chosen([clear, misleading], silent, probabilities=False, in_sample=False) == "whole"


def test_auto_predicts_exactly_as_what_it_has_chosen():
    random = np.random.default_rng(5)
    clear = (MEANS[LABELS] + 0.5 * random.normal(size=(90, 6))).astype(np.float32)
    misleading = clear[random.permutation(90)]
    for views, use in (([VIEWS[2], clear], {"views": "rows"}), ([clear, misleading], None)):
        auto = fit(own("LogisticRegression", views="auto"), views).run()
        fixed = fit(own("LogisticRegression", **(use or {})), views if use else views[:1]).run()
        assert np.array_equal(auto.probabilities, fixed.probabilities)
        assert np.array_equal(auto.in_sample, fixed.in_sample)
        assert np.array_equal(auto.labels, fixed.labels)


def test_the_choice_of_views_knows_nothing_of_the_test_images():
    random = np.random.default_rng(5)
    views = [VIEWS[0], VIEWS[2][random.permutation(90)]]
    changed = [view.copy() for view in views]
    for view in changed:
        view[TEST] = random.normal(size=(30, 6))
    assert chosen(views) == chosen(changed) == "whole"
    before, after = (fit(own("Recording", views="auto"), each) for each in (views, changed))
    assert before.used_views == after.used_views


def test_a_training_fold_that_is_too_small_to_leave_images_out_uses_all_views():
    few = (
        np.flatnonzero(LABELS[TRAIN] == 0)[:1].tolist() + np.flatnonzero(LABELS[TRAIN] == 1)[:1].tolist()
    )
    assert chosen(VIEWS, train=np.array(few)) == "rows"


def test_a_cached_fit_remembers_what_it_has_chosen(tmp_path):
    one = fit(own("LogisticRegression", views="auto"))
    cache = FitCache(tmp_path)
    cache.save(one, one.run())
    assert cache.load(one).views == one.used_views
