"""stackkit's own learners: the promises, and what each of them does beside it."""

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import LinearSVC
from support.conformance import broken
from support.making import blobs, create
from threadpoolctl import threadpool_limits

import stackkit_plugins.linear_svm
import stackkit_plugins.logistic
from stackkit.api import OptionValue
from stackkit.host.option_syntax import parse
from stackkit_plugins.linear_svm.calibration import CalibratedSVM
from stackkit_plugins.logistic.tuning import PATH, STOP_RATIO, TunedLogistic
from stackkit_plugins.shared.linear_learners.inner_splits import FOLDS, inner_splits
from stackkit_plugins.shared.linear_learners.normalisation import signed_sqrt, with_normalisation

TRANSFORMERS: dict[str, tuple[Any, ...]] = {
    "standardise": (StandardScaler(),),
    "l2": (Normalizer(),),
    "power": (FunctionTransformer(lambda X: np.sign(X) * np.abs(X) ** 0.5), Normalizer()),
}


PLUGINS = {
    "logistic": stackkit_plugins.logistic,
    "logistic-ovr": stackkit_plugins.logistic,
    "linear-svm": stackkit_plugins.linear_svm,
    "calibrated-svm": stackkit_plugins.linear_svm,
}
VARIANTS = [
    "logistic:normalise=standardise",
    "logistic:C=auto,max_iter=1000",
    "logistic:solver=batched",
    "logistic-ovr:normalise=power",
    "linear-svm:normalise=l2",
    "calibrated-svm:normalise=power",
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.fixture
def features() -> np.ndarray:
    return blobs()[0]


@pytest.fixture
def labels() -> np.ndarray:
    return blobs()[1]


@pytest.mark.parametrize("plugin", ["logistic", "linear-svm"])
def test_learners_keep_their_promises(plugin: str):
    assert broken(plugin) == {}


@pytest.mark.parametrize("text", VARIANTS)
def test_with_other_options_they_keep_them(text: str):
    name = text.partition(":")[0]
    assert broken(PLUGINS[name].__name__, text) == {}


@pytest.mark.parametrize("text", [*PLUGINS, *VARIANTS])
def test_a_fit_that_stops_early_says_so_however_deep_it_is(text: str, features, labels):
    ((name, given),) = parse(text)
    with pytest.warns(ConvergenceWarning):
        create(PLUGINS[name], name, **{**given, "max_iter": 1}).fit(features, labels)


@pytest.mark.parametrize("text", [*PLUGINS, *VARIANTS])
@pytest.mark.parametrize("sizes", [(40, 2, 1), (1, 40, 1), (2, 1, 1), (1, 1, 1), (3, 1)])
@pytest.mark.filterwarnings("ignore:no class has two images:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classes_of_one_or_two_rows_are_learned_like_others(text: str, sizes, features, labels):
    rows = np.concatenate(
        [np.flatnonzero(labels == label)[:size] for label, size in zip((1, 4, 7), sizes, strict=False)]
    )
    ((name, given),) = parse(text)
    learner = create(PLUGINS[name], name, **given).fit(features[rows], labels[rows])
    assert learner.classes_.tolist() == [1, 4, 7][: len(sizes)]
    assert np.isfinite(answers(learner, features)).all()


def answers(learner: Any, features: np.ndarray) -> list[Any]:
    """The finest answer it gives: probabilities, or else the decision function."""
    ask = getattr(learner, "predict_proba", None) or learner.decision_function
    found: list[Any] = ask(features).tolist()
    return found


class OwnLearner:
    """The learner that a class of tests is about, made with what it gives."""

    plugin: ModuleType
    name: str
    given: ClassVar[Mapping[str, OptionValue]] = {}

    @pytest.fixture
    def learner(self) -> Any:
        return self.make()

    def make(self, **given: OptionValue) -> Any:
        return create(self.plugin, self.name, **{**self.given, **given})


class Normalising(OwnLearner):
    """A learner that offers `normalise`, as scikit-learn's pipelines do."""

    def plain(self) -> Any:
        """What scikit-learn has for this learner's defaults."""
        raise NotImplementedError

    def test_its_defaults_are_scikit_learns(self, learner, features, labels):
        plain = self.plain().fit(features, labels)
        assert not isinstance(learner, Pipeline)
        assert answers(learner.fit(features, labels), features) == answers(plain, features)

    @pytest.mark.parametrize("normalise", TRANSFORMERS)
    def test_normalising_is_scikit_learns_pipeline_row_for_row(self, features, labels, normalise):
        pipeline = make_pipeline(*TRANSFORMERS[normalise], self.plain()).fit(features[:80], labels[:80])
        learner = self.make(normalise=normalise).fit(features[:80], labels[:80])
        assert answers(learner, features) == answers(pipeline, features)


class TestLogistic(Normalising):
    plugin = stackkit_plugins.logistic
    name = "logistic"

    def plain(self) -> Any:
        return LogisticRegression()

    @pytest.mark.parametrize("solver", ["newton-cg", "newton-cholesky", "sag", "saga"])
    def test_every_solver_comes_to_the_same_optimum(self, features, labels, solver):
        found = create(self.plugin, self.name, solver=solver, max_iter=2000, tol=1e-6)
        wanted = LogisticRegression(max_iter=2000, tol=1e-6).fit(features, labels)
        difference = found.fit(features, labels).predict_proba(features) - wanted.predict_proba(features)
        assert np.abs(difference).max() < 1e-3

    def test_its_options_are_passed_on(self):
        given = {
            "C": 3.0,
            "max_iter": 7,
            "tol": 0.5,
            "fit_intercept": False,
            "class_weight": "balanced",
        }
        made = create(self.plugin, self.name, seed=5, **given).get_params()
        assert made.items() >= {**given, "random_state": 5}.items()


class TestLogisticOneVsRest(Normalising):
    plugin = stackkit_plugins.logistic
    name = "logistic-ovr"

    def plain(self) -> Any:
        """liblinear, one class at a time."""
        return OneVsRestClassifier(LogisticRegression(solver="liblinear", random_state=0))

    def test_its_probabilities_are_each_classs_own_divided_by_their_sum(self, learner, features, labels):
        own = np.stack(
            [
                LogisticRegression(solver="liblinear")
                .fit(features, labels == label)
                .predict_proba(features)[:, 1]
                for label in (1, 4, 7)
            ],
            axis=1,
        )
        found = learner.fit(features, labels).predict_proba(features)
        assert found == pytest.approx(own / own.sum(axis=1, keepdims=True), abs=1e-12)


class TestLinearSVM(Normalising):
    plugin = stackkit_plugins.linear_svm
    name = "linear-svm"

    def plain(self) -> Any:
        return LinearSVC(dual=True, random_state=0)


class TestNormalising:
    @pytest.mark.parametrize("normalise", TRANSFORMERS)
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_no_precision_is_added_or_lost_and_nothing_is_overwritten(self, normalise, dtype):
        features = np.random.default_rng(1).normal(size=(30, 5)).astype(dtype)
        features[3] = 0
        features[:, 2] = 0.1
        before = features.copy()
        changed = with_normalisation("passthrough", normalise).fit_transform(features)
        assert changed.dtype == dtype
        assert np.isfinite(changed).all()
        assert np.array_equal(features, before)

    def test_power_keeps_signs_and_comes_before_the_length(self):
        (row,) = with_normalisation("passthrough", "power").transform(np.array([[-9.0, 16.0, 0.0]]))
        assert row.tolist() == [-3 / 5, 4 / 5, 0]
        assert signed_sqrt(np.float32([-4])).tolist() == [-2]

    def test_another_normalisation_is_refused(self):
        with pytest.raises(ValueError, match="normalise=loudly is not known"):
            with_normalisation("passthrough", "loudly")

    def test_test_rows_change_no_statistics(self):
        train = np.array([[0.0], [2.0]])
        scaler = with_normalisation("passthrough", "standardise").fit(train)
        assert scaler.transform(np.array([[5.0]])).tolist() == [[4.0]]


class TestInnerSplits:
    LABELS = np.random.default_rng(4).permutation(np.repeat([3, 5, 6, 9, 11], [17, 5, 3, 2, 1]))

    def test_every_class_is_learned_from_in_every_split(self):
        splits = inner_splits(self.LABELS, seed=0)
        assert len(splits) == FOLDS
        for train, test in splits:
            assert set(self.LABELS[train]) == set(self.LABELS)
            assert len(test)
            assert not set(train) & set(test)
            assert sorted([*train, *test]) == list(range(28))

    def test_every_row_is_held_out_once_but_for_the_only_one_of_its_class(self):
        held_out = np.concatenate([test for _, test in inner_splits(self.LABELS, seed=0)])
        assert sorted(held_out) == np.flatnonzero(self.LABELS != 11).tolist()

    def test_classes_are_spread_evenly(self):
        for _, test in inner_splits(self.LABELS, seed=0):
            assert np.count_nonzero(self.LABELS[test] == 3) in (3, 4)
            assert np.count_nonzero(self.LABELS[test] == 5) == 1

    def test_the_seed_chooses_the_rows(self):
        first, again, other = (inner_splits(self.LABELS, seed=seed)[0][1] for seed in (7, 7, 8))
        assert first.tolist() == again.tolist() != other.tolist()

    @pytest.mark.parametrize(("sizes", "count"), [((3, 2), 3), ((2, 1, 1), 2), ((1, 1), 0)])
    def test_their_number_drops_to_the_size_of_the_largest_class(self, recwarn, sizes, count):
        labels = np.repeat(np.arange(len(sizes)), sizes)
        assert len(inner_splits(labels, seed=0)) == count
        assert not recwarn.list


EXACTLY = {"tol": 1e-7, "max_iter": 5_000}


@pytest.fixture
def hard() -> tuple[np.ndarray, np.ndarray]:
    """(150, 20) float64 features in which 4 classes overlap, and labels with gaps between them."""
    random = np.random.default_rng(3)
    labels = random.permutation(np.repeat([0, 2, 3, 8], [70, 45, 25, 10]))
    return 0.5 * random.normal(size=(9, 20))[labels] + random.normal(size=(150, 20)), labels


def brute_force(estimator: Any, X: np.ndarray, y: np.ndarray, seed: int) -> dict[float, float]:
    """Held-out log-loss of every C in PATH, each fit from nothing."""
    name = "logisticregression__C" if isinstance(estimator, Pipeline) else "C"
    return {
        C: log_loss(
            y,
            cross_val_predict(
                estimator.set_params(**{name: C}),
                X,
                y,
                cv=inner_splits(y, seed=seed),
                method="predict_proba",
            ),
        )
        for C in PATH
    }


class TestLogisticWithItsOwnC(OwnLearner):
    plugin = stackkit_plugins.logistic
    name = "logistic"
    given: ClassVar = {"C": "auto", "max_iter": 1000}

    @pytest.mark.parametrize(
        ("normalise", "seed"), [("none", 0), ("none", 1), ("standardise", 0), ("l2", 0)]
    )
    def test_it_picks_what_a_search_by_brute_force_picks(self, hard, normalise, seed):
        X, y = hard
        learner = self.make(**EXACTLY, normalise=normalise, seed=seed).fit(X, y)
        losses = brute_force(with_normalisation(LogisticRegression(**EXACTLY), normalise), X, y, seed)
        assert min(losses, key=losses.__getitem__) == learner.C_

    def test_walking_the_path_is_fitting_from_nothing_at_every_c(self, hard):
        walked = self.make(**EXACTLY).fit(*hard).losses_
        losses = brute_force(LogisticRegression(**EXACTLY), *hard, seed=0)
        assert walked == pytest.approx({C: losses[C] for C in walked}, rel=1e-5)

    def test_it_walks_as_scikit_learns_own_search_does(self, hard):
        X, y = hard
        walked = self.make(**EXACTLY).fit(X, y).losses_
        theirs = LogisticRegressionCV(
            Cs=list(walked),
            cv=inner_splits(y, seed=0),
            scoring=lambda fitted, X, y: -log_loss(y, fitted.predict_proba(X), labels=fitted.classes_),
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
            **EXACTLY,
        ).fit(X, y)
        assert list(walked.values()) == pytest.approx((-theirs.scores_).mean(axis=0).ravel(), rel=1e-5)

    def test_the_walk_goes_from_strong_to_weak_and_ends_where_it_gets_clearly_worse(self, hard):
        losses = self.make(**EXACTLY).fit(*hard).losses_
        assert tuple(losses) == PATH[: len(losses)]
        assert len(losses) < len(PATH)
        best = min(losses.values())
        last = losses.popitem()[1]
        assert (
            last > STOP_RATIO * best >= max(list(losses.values())[list(losses.values()).index(best) :])
        )

    def test_features_on_a_tiny_scale_do_not_end_the_walk_before_it_begins(self, hard):
        X, y = hard
        tiny = self.make(**EXACTLY).fit((1e-2 * X).astype(np.float32), y)
        assert tiny.C_ > 100 * self.make(**EXACTLY).fit(X, y).C_

    @pytest.mark.parametrize("normalise", ["none", "standardise"])
    def test_it_answers_as_if_its_c_had_been_given(self, features, labels, normalise):
        tuned = self.make(normalise=normalise).fit(features, labels)
        given = create(self.plugin, self.name, C=tuned.C_, max_iter=1000, normalise=normalise)
        assert answers(tuned, features) == answers(given.fit(features, labels), features)

    def test_a_row_is_judged_by_fits_that_did_not_see_it_in_anything(self, hard):
        """Column 0 holds the row's number: what standardising saw is what the fit saw."""
        X, y = hard
        X = X.copy()
        X[:, 0] = np.arange(150)
        SpyingScaler.seen.clear()
        TunedLogistic(make_pipeline(SpyingScaler(), LogisticRegression(**EXACTLY))).fit(X, y)
        *inner, (last, _) = SpyingScaler.seen
        judged = [rows for rows, kind in inner if kind == "transform"]
        learned = [rows for rows, kind in inner if kind == "fit"]
        assert last == set(range(150))
        assert len(judged) == len(learned)
        for train, test in zip(learned, judged, strict=True):
            assert not train & test
            assert train | test == set(range(150))

    def test_one_row_a_class_leaves_c_as_it_is_by_default_and_says_so(self, features, labels):
        rows = [int(np.flatnonzero(labels == label)[0]) for label in (1, 4, 7)]
        with pytest.warns(UserWarning, match="no class has two images, so C=auto is C=1"):
            learner = self.make().fit(features[rows], labels[rows])
        assert (learner.C_, learner.losses_) == (1.0, {})

    def test_an_inner_fit_that_stops_early_is_reported_even_if_the_last_one_does_not(self, features):
        labels = np.arange(120) % 3  # nothing to learn: the strongest C wins, after a few weaker ones
        with pytest.warns(ConvergenceWarning):
            learner = self.make(max_iter=9, tol=1e-8).fit(features, labels)
        strong = create(self.plugin, self.name, C=learner.C_, max_iter=9, tol=1e-3)
        assert strong.fit(features, labels).n_iter_[0] < 9


class SpyingScaler(StandardScaler):
    """A scaler that remembers which rows it was fitted on and which it was shown afterwards."""

    seen: ClassVar[list[tuple[set[int], str]]] = []

    def fit_transform(self, X: Any, y: Any = None, **given: Any) -> Any:
        self.seen.append(({int(row) for row in X[:, 0]}, "fit"))
        return StandardScaler.transform(self.fit(X, y), X)

    def transform(self, X: Any, copy: Any = None) -> Any:
        self.seen.append(({int(row) for row in X[:, 0]}, "transform"))
        return super().transform(X, copy)


class TestCalibratedSVM(OwnLearner):
    plugin = stackkit_plugins.linear_svm
    name = "calibrated-svm"
    given: ClassVar = {"max_iter": 10_000}

    def test_it_predicts_what_the_machine_without_probabilities_predicts(self, hard):
        X, y = hard
        plain = create(self.plugin, "linear-svm", max_iter=10_000).fit(X[:100], y[:100])
        learner = self.make().fit(X[:100], y[:100])
        assert learner.predict(X).tolist() == plain.predict(X).tolist()

    @pytest.mark.parametrize("classes", [2, 4])
    def test_it_is_scikit_learns_temperature_scaling_on_the_same_folds(self, hard, classes):
        """scikit-learn's takes labels for columns, so it is shown labels that are."""
        X, y = hard[0], np.searchsorted([0, 2, 3, 8], hard[1])
        X, y = X[y < classes], y[y < classes]
        theirs = CalibratedClassifierCV(
            LinearSVC(dual=True, random_state=0, max_iter=10_000),
            method="temperature",
            cv=inner_splits(y, seed=0),
            ensemble=False,
        ).fit(X, y)
        found = self.make().fit(X, y).predict_proba(X)
        assert found == pytest.approx(theirs.predict_proba(X), abs=1e-6)

    def test_names_of_classes_change_nothing(self, hard):
        X, y = hard
        renamed = self.make().fit(X, 7 * y + 2)
        assert answers(renamed, X) == answers(self.make().fit(X, y), X)
        assert renamed.classes_.tolist() == [2, 16, 23, 58]

    def test_rows_that_cannot_be_held_out_do_not_calibrate(self, hard):
        """A class of one row more, far away: the factor stays what it was, about."""
        X, y = hard
        more = np.vstack([X, np.full(20, 6.0)])
        learner = self.make().fit(more, np.append(y, 9))
        assert learner.factor_ == pytest.approx(self.make().fit(X, y).factor_, rel=0.5)
        assert learner.predict(more[-1:]).tolist() == [9]

    def test_one_row_a_class_leaves_it_uncalibrated_and_says_so(self, features, labels):
        rows = [int(np.flatnonzero(labels == label)[0]) for label in (1, 4, 7)]
        with pytest.warns(UserWarning, match="no class has two images, so nothing is calibrated"):
            learner = self.make().fit(features[rows], labels[rows])
        assert learner.factor_ == 1.0

    def test_statistics_of_normalising_are_made_inside_the_inner_folds(self, hard):
        X, y = hard
        machine = make_pipeline(StandardScaler(), LinearSVC(dual=True, random_state=0, max_iter=10_000))
        wanted = CalibratedSVM(machine).fit(X, y)
        found = self.make(normalise="standardise").fit(X, y)
        assert answers(found, X) == answers(wanted, X)
