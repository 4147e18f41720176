"""Built-in learners: the conformance checks, and what is special to each."""

import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.base import clone
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
from stackkit_plugins.shared.linear_learners.fitted import signed_sqrt
from stackkit_plugins.shared.linear_learners.inner_splits import FOLDS, inner_splits
from stackkit_plugins.shared.linear_learners.normalisation import with_normalisation

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
def test_learners_pass_all_checks(plugin: str):
    assert broken(plugin) == {}


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, marks=pytest.mark.slow) if "auto" in text else text for text in VARIANTS],
)
def test_learners_pass_all_checks_with_other_options(text: str):
    name = text.partition(":")[0]
    assert broken(PLUGINS[name].__name__, text) == {}


@pytest.mark.parametrize("text", [*PLUGINS, *VARIANTS])
def test_a_fit_that_stops_early_warns_at_any_depth(text: str, features, labels):
    ((name, given),) = parse(text)
    with pytest.warns(ConvergenceWarning):
        create(PLUGINS[name], name, **{**given, "max_iter": 1}).fit(features, labels)


@pytest.mark.parametrize("text", [*PLUGINS, *VARIANTS])
@pytest.mark.parametrize("sizes", [(40, 2, 1), (1, 40, 1), (2, 1, 1), (1, 1, 1), (3, 1)])
@pytest.mark.filterwarnings("ignore:no class has two images:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classes_of_one_or_two_rows_are_learned_too(text: str, sizes, features, labels):
    rows = np.concatenate(
        [np.flatnonzero(labels == label)[:size] for label, size in zip((1, 4, 7), sizes, strict=False)]
    )
    ((name, given),) = parse(text)
    learner = create(PLUGINS[name], name, **given).fit(features[rows], labels[rows])
    assert learner.classes_.tolist() == [1, 4, 7][: len(sizes)]
    assert np.isfinite(answers(learner, features)).all()


def answers(learner: Any, features: np.ndarray) -> list[Any]:
    """Return probabilities, or else the decision function."""
    ask = getattr(learner, "predict_proba", None) or learner.decision_function
    found: list[Any] = ask(features).tolist()
    return found


class OwnLearner:
    """Tests of one learner, created with the options of the class."""

    plugin: ModuleType
    name: str
    given: ClassVar[Mapping[str, OptionValue]] = {}

    @pytest.fixture
    def learner(self) -> Any:
        return self.make()

    def make(self, **given: OptionValue) -> Any:
        return create(self.plugin, self.name, **{**self.given, **given})


class Normalising(OwnLearner):
    """Tests of a learner with the option `normalise`."""

    def plain(self) -> Any:
        """Return the scikit-learn estimator that the defaults stand for."""
        raise NotImplementedError

    def test_its_defaults_are_scikit_learns(self, learner, features, labels):
        plain = self.plain().fit(features, labels)
        assert not isinstance(learner, Pipeline)
        assert answers(learner.fit(features, labels), features) == answers(plain, features)

    @pytest.mark.parametrize("normalise", TRANSFORMERS)
    def test_normalising_equals_a_scikit_learn_pipeline_row_for_row(self, features, labels, normalise):
        pipeline = make_pipeline(*TRANSFORMERS[normalise], self.plain()).fit(features[:80], labels[:80])
        learner = self.make(normalise=normalise).fit(features[:80], labels[:80])
        assert answers(learner, features) == answers(pipeline, features)


class TestLogistic(Normalising):
    plugin = stackkit_plugins.logistic
    name = "logistic"

    def plain(self) -> Any:
        return LogisticRegression()

    @pytest.mark.parametrize("solver", ["newton-cg", "newton-cholesky", "sag", "saga"])
    def test_every_solver_finds_the_same_optimum(self, features, labels, solver):
        found = create(self.plugin, self.name, solver=solver, max_iter=2000, tol=1e-6)
        expected = LogisticRegression(max_iter=2000, tol=1e-6).fit(features, labels)
        difference = found.fit(features, labels).predict_proba(features) - expected.predict_proba(
            features
        )
        assert np.abs(difference).max() < 1e-3

    def test_options_are_passed_on(self):
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
        """One-vs-rest with liblinear."""
        return OneVsRestClassifier(LogisticRegression(solver="liblinear", random_state=0))

    def test_probabilities_are_those_of_each_class_divided_by_their_sum(self, learner, features, labels):
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
    def test_dtype_stays_and_the_input_is_not_modified(self, normalise, dtype):
        features = np.random.default_rng(1).normal(size=(30, 5)).astype(dtype)
        features[3] = 0
        features[:, 2] = 0.1
        before = features.copy()
        changed = with_normalisation("passthrough", normalise).fit_transform(features)
        assert changed.dtype == dtype
        assert np.isfinite(changed).all()
        assert np.array_equal(features, before)

    def test_power_keeps_signs_and_is_applied_before_l2(self):
        (row,) = with_normalisation("passthrough", "power").transform(np.array([[-9.0, 16.0, 0.0]]))
        assert row.tolist() == [-3 / 5, 4 / 5, 0]
        assert signed_sqrt(np.float32([-4])).tolist() == [-2]

    def test_an_unknown_normalisation_is_refused(self):
        with pytest.raises(
            ValueError, match="normalise must be none, standardise, l2 or power, got loudly"
        ):
            with_normalisation("passthrough", "loudly")

    def test_statistics_are_those_of_the_training_rows(self):
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

    def test_every_row_is_held_out_once_except_the_only_one_of_a_class(self):
        held_out = np.concatenate([test for _, test in inner_splits(self.LABELS, seed=0)])
        assert sorted(held_out) == np.flatnonzero(self.LABELS != 11).tolist()

    def test_classes_are_spread_evenly(self):
        for _, test in inner_splits(self.LABELS, seed=0):
            assert np.count_nonzero(self.LABELS[test] == 3) in (3, 4)
            assert np.count_nonzero(self.LABELS[test] == 5) == 1

    def test_the_seed_decides_which_rows_are_held_out(self):
        first, again, other = (inner_splits(self.LABELS, seed=seed)[0][1] for seed in (7, 7, 8))
        assert first.tolist() == again.tolist() != other.tolist()

    @pytest.mark.parametrize(("sizes", "count"), [((3, 2), 3), ((2, 1, 1), 2), ((1, 1), 0)])
    def test_there_are_at_most_as_many_as_the_largest_class_has_rows(self, recwarn, sizes, count):
        labels = np.repeat(np.arange(len(sizes)), sizes)
        assert len(inner_splits(labels, seed=0)) == count
        assert not recwarn.list

    # Groups of up to three rows. Group 0 is the only one of class 11, and shares it with class 3.
    GROUPS = np.where(LABELS == 11, 0, 1 + LABELS * 9 + np.cumsum(LABELS == 3) % 8)
    GROUPS[np.flatnonzero(LABELS == 3)[0]] = 0

    @pytest.mark.parametrize("seed", range(5))
    def test_groups_are_held_out_together_and_every_class_stays_known(self, recwarn, seed):
        splits = inner_splits(self.LABELS, seed=seed, groups=self.GROUPS)
        assert len(splits) == FOLDS
        for train, test in splits:
            assert not set(self.GROUPS[train]) & set(self.GROUPS[test])
            assert set(self.LABELS[train]) == set(self.LABELS)
            assert sorted([*train, *test]) == list(range(28))
        held_out = np.concatenate([test for _, test in splits])
        assert len(set(held_out)) == len(held_out)
        assert 0 not in self.GROUPS[held_out]
        assert not recwarn.list

    def test_one_group_for_each_class_cannot_be_held_out(self):
        assert inner_splits(self.LABELS, seed=0, groups=self.LABELS) == []

    @pytest.mark.parametrize(
        "learner",
        [
            TunedLogistic(LogisticRegression(max_iter=1000)),
            CalibratedSVM(LinearSVC(random_state=0, max_iter=5000)),
        ],
    )
    def test_learners_that_hold_rows_out_use_groups(self, learner):
        """Copies of a row in another fold would let them believe what they have seen."""
        random = np.random.default_rng(0)
        X = np.repeat(random.normal(size=(40, 30)), 4, axis=0).astype(np.float32)
        y, groups = np.repeat(random.integers(0, 2, 40), 4), np.repeat(np.arange(40), 4)
        apart, together = clone(learner).fit(X, y), clone(learner).fit(X, y, groups=groups)
        sure, unsure = (np.max(one.predict_proba(X), axis=1).mean() for one in (apart, together))
        assert sure > 0.9
        assert unsure < 0.75


EXACT = {"tol": 1e-7, "max_iter": 5_000}


@pytest.fixture
def hard() -> tuple[np.ndarray, np.ndarray]:
    """(150, 20) float64 features of 4 overlapping classes, and labels with gaps between them."""
    random = np.random.default_rng(3)
    labels = random.permutation(np.repeat([0, 2, 3, 8], [70, 45, 25, 10]))
    return 0.5 * random.normal(size=(9, 20))[labels] + random.normal(size=(150, 20)), labels


def brute_force(estimator: Any, X: np.ndarray, y: np.ndarray, seed: int) -> dict[float, float]:
    """Return the held-out log-loss of every C in PATH, each fitted from scratch."""
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


class TestLogisticWithAutomaticC(OwnLearner):
    plugin = stackkit_plugins.logistic
    name = "logistic"
    given: ClassVar = {"C": "auto", "max_iter": 1000}

    @pytest.mark.parametrize(
        ("normalise", "seed"), [("none", 0), ("none", 1), ("standardise", 0), ("l2", 0)]
    )
    def test_its_c_is_as_good_as_that_of_a_brute_force_search(self, hard, normalise, seed):
        X, y = hard
        learner = self.make(**EXACT, normalise=normalise, seed=seed).fit(X, y)
        losses = brute_force(with_normalisation(LogisticRegression(**EXACT), normalise), X, y, seed)
        assert losses[learner.C_] <= 1.005 * min(losses.values())
        assert learner.losses_ == pytest.approx({C: losses[C] for C in learner.losses_}, rel=0.04)

    def test_with_exact_fits_its_losses_are_those_of_logistic_regression_cv(self, hard, monkeypatch):
        monkeypatch.setattr("stackkit_plugins.logistic.tuning.GAP", 1e-12)
        X, y = hard
        walked = self.make(**EXACT).fit(X, y).losses_
        theirs = LogisticRegressionCV(
            Cs=list(walked),
            cv=inner_splits(y, seed=0),
            scoring=lambda fitted, X, y: -log_loss(y, fitted.predict_proba(X), labels=fitted.classes_),
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
            **EXACT,
        ).fit(X, y)
        assert list(walked.values()) == pytest.approx((-theirs.scores_).mean(axis=0).ravel(), rel=1e-5)

    @pytest.mark.parametrize(
        ("solver", "normalise"), [("lbfgs", "power"), ("batched", "power"), ("batched", "none")]
    )
    def test_selection_and_fit_cost_at_most_five_fits(self, solver, normalise):
        """In iterations times rows, on features like those of networks."""
        X, y = network_like(n=300, d=400, n_classes=20)
        learner = self.make(solver=solver, normalise=normalise).fit(X, y)
        last = learner.estimator_[-1] if normalise == "power" else learner.estimator_
        one = int(last.n_iter_[0])
        assert 0 < learner.search_cost_ + one <= 5 * one, learner.search_cost_

    def test_class_weights_count_in_the_search(self, hard, monkeypatch):
        monkeypatch.setattr("stackkit_plugins.logistic.tuning.GAP", 1e-12)
        options = {**EXACT, "class_weight": "balanced", "fit_intercept": False}
        learner = self.make(**options).fit(*hard)
        losses = brute_force(LogisticRegression(**options), *hard, seed=0)
        assert learner.losses_ == pytest.approx({C: losses[C] for C in learner.losses_}, rel=1e-5)

    def test_the_search_starts_with_strong_regularisation_and_stops_when_losses_rise(self, hard):
        losses = self.make(**EXACT).fit(*hard).losses_
        assert tuple(losses) == PATH[: len(losses)]
        assert len(losses) < len(PATH)
        best = min(losses.values())
        last = losses.popitem()[1]
        tried = list(losses.values())
        assert last > STOP_RATIO * best >= max(tried[tried.index(best) :])

    def test_features_on_a_tiny_scale_do_not_stop_the_search_early(self, hard):
        X, y = hard
        tiny = self.make(**EXACT).fit((1e-2 * X).astype(np.float32), y)
        assert tiny.C_ > 100 * self.make(**EXACT).fit(X, y).C_

    @pytest.mark.parametrize("normalise", ["none", "standardise"])
    def test_it_predicts_as_if_its_c_had_been_given(self, features, labels, normalise):
        tuned = self.make(normalise=normalise).fit(features, labels)
        given = create(self.plugin, self.name, C=tuned.C_, max_iter=1000, normalise=normalise)
        assert answers(tuned, features) == answers(given.fit(features, labels), features)

    def test_held_out_rows_are_not_used_for_fits_or_statistics(self, hard):
        """Column 0 is the row number, so the scaler records which rows it was fitted on."""
        X, y = hard
        X = X.copy()
        X[:, 0] = np.arange(150)
        SpyingScaler.seen.clear()
        TunedLogistic(make_pipeline(SpyingScaler(), LogisticRegression(**EXACT))).fit(X, y)
        *inner, (last, _) = SpyingScaler.seen
        judged = [rows for rows, kind in inner if kind == "transform"]
        learned = [rows for rows, kind in inner if kind == "fit"]
        assert last == set(range(150))
        assert len(judged) == len(learned)
        for train, test in zip(learned, judged, strict=True):
            assert not train & test
            assert train | test == set(range(150))

    def test_with_one_row_per_class_c_is_1_and_a_warning_tells_it(self, features, labels):
        rows = [int(np.flatnonzero(labels == label)[0]) for label in (1, 4, 7)]
        with pytest.warns(UserWarning, match="no class has two images, so C=auto uses C=1"):
            learner = self.make().fit(features[rows], labels[rows])
        assert (learner.C_, learner.losses_) == (1.0, {})

    def test_a_search_that_stops_early_warns_even_if_the_final_fit_converges(self, hard):
        with pytest.warns(ConvergenceWarning) as caught:
            learner = self.make(max_iter=1, tol=1e3).fit(*hard)
        search = re.compile("the search of C stopped at C=.* after 1 iterations.*: raise max_iter")
        assert all(search.match(str(warning.message)) for warning in caught)
        assert learner.estimator_.n_iter_[0] < 1

    def test_one_class_is_refused(self, features):
        with pytest.raises(ValueError, match="at least two classes, got only class 4"):
            self.make().fit(features, np.full(len(features), 4))


def network_like(*, n: int, d: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return non-negative float32 features with a falling spectrum, (n, d), and labels."""
    random = np.random.default_rng(0)
    y = random.permutation(np.arange(n) % n_classes)
    spectrum = (1 + np.arange(d)) ** -0.5
    latent = random.normal(size=(n_classes, d))[y] * spectrum + random.normal(size=(n, d)) * spectrum
    X = np.maximum(latent @ random.normal(size=(d, d)) / np.sqrt(d) + random.gamma(1.0, 0.4, size=d), 0)
    return (X * 30 / np.linalg.norm(X, axis=1).mean()).astype(np.float32), y


class SpyingScaler(StandardScaler):
    """A scaler that records which rows it was fitted on and which it transformed afterwards."""

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

    def test_it_predicts_the_same_labels_as_linear_svm(self, hard):
        X, y = hard
        plain = create(self.plugin, "linear-svm", max_iter=10_000).fit(X[:100], y[:100])
        learner = self.make().fit(X[:100], y[:100])
        assert learner.predict(X).tolist() == plain.predict(X).tolist()

    @pytest.mark.parametrize("classes", [2, 4])
    def test_it_equals_scikit_learns_temperature_scaling_on_the_same_folds(self, hard, classes):
        """scikit-learn uses labels as column numbers, so labels here are 0 to n_classes - 1."""
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

    def test_other_labels_change_nothing(self, hard):
        X, y = hard
        renamed = self.make().fit(X, 7 * y + 2)
        assert answers(renamed, X) == answers(self.make().fit(X, y), X)
        assert renamed.classes_.tolist() == [2, 16, 23, 58]

    def test_rows_that_cannot_be_held_out_do_not_affect_calibration(self, hard):
        """One more class with a single, distant row hardly changes the factor."""
        X, y = hard
        more = np.vstack([X, np.full(20, 6.0)])
        learner = self.make().fit(more, np.append(y, 9))
        assert learner.factor_ == pytest.approx(self.make().fit(X, y).factor_, rel=0.5)
        assert learner.predict(more[-1:]).tolist() == [9]

    def test_with_one_row_per_class_it_is_not_calibrated_and_warns(self, features, labels):
        rows = [int(np.flatnonzero(labels == label)[0]) for label in (1, 4, 7)]
        with pytest.warns(
            UserWarning, match="no class has two images, so probabilities are not calibrated"
        ):
            learner = self.make().fit(features[rows], labels[rows])
        assert learner.factor_ == 1.0

    def test_normalisation_statistics_are_computed_within_inner_folds(self, hard):
        X, y = hard
        machine = make_pipeline(StandardScaler(), LinearSVC(dual=True, random_state=0, max_iter=10_000))
        expected = CalibratedSVM(machine).fit(X, y)
        found = self.make(normalise="standardise").fit(X, y)
        assert answers(found, X) == answers(expected, X)
