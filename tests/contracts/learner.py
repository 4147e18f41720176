"""What every learner plugin owes the host; each learner's tests inherit this suite."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from threadpoolctl import threadpool_limits

from stackkit.api import LearnerSpec, OptionValue, UsageError

HEAVY = {"numpy", "scipy", "sklearn", "mlxtend", "tensorflow"}


def spec_of(plugin: ModuleType, name: str) -> LearnerSpec:
    """The one spec of that name."""
    (spec,) = [spec for spec in plugin.stackkit_learners() if spec.name == name]
    return spec


def create(plugin: ModuleType, name: str, **given: OptionValue) -> Any:
    """The plugin's learner as the host makes it: every declared option arrives as a keyword."""
    spec = spec_of(plugin, name)
    defaults = {option.name: option.default for option in spec.options}
    assert given.keys() <= defaults.keys()
    return spec.load()(**{**defaults, **given})


class LearnerContract:
    """Inherit, name the plugin's module and the learner, and list options that it must refuse.

    `given` are options under which the learner must keep the contract too.
    """

    plugin: ModuleType
    name: str
    given: ClassVar[Mapping[str, OptionValue]] = {}
    refused: tuple[dict[str, OptionValue], ...] = ()

    @pytest.fixture(autouse=True)
    def one_thread(self) -> Iterator[None]:
        with threadpool_limits(1):
            yield

    @pytest.fixture
    def features(self) -> np.ndarray:
        """(120, 16) float32 around three means, read-only as rows of a store may be."""
        random = np.random.default_rng(5)
        features = random.normal(size=(3, 16))[self.truth()] + random.normal(size=(120, 16))
        features = features.astype(np.float32)
        features.flags.writeable = False
        return features

    @pytest.fixture
    def labels(self) -> np.ndarray:
        """(120,) int64 labels 1, 4 and 7: the classes of a dataset that has others too."""
        return np.array([1, 4, 7])[self.truth()]

    @staticmethod
    def truth() -> np.ndarray:
        return np.random.default_rng(6).permutation(120) % 3

    @pytest.fixture
    def learner(self) -> Any:
        return self.make()

    def make(self, **given: OptionValue) -> Any:
        return create(self.plugin, self.name, **{**self.given, **given})

    def test_the_spec_has_a_summary_and_explains_every_option(self):
        spec = spec_of(self.plugin, self.name)
        assert spec.summary
        assert all(option.help for option in spec.options)

    def test_listing_the_plugin_imports_nothing_heavy(self):
        code = f"import sys, {self.plugin.__name__} as p; p.stackkit_learners(); print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not HEAVY & set(done.stdout.split())

    def test_probabilities_are_offered_exactly_if_the_spec_says_so(self, learner):
        assert hasattr(learner, "predict_proba") == spec_of(self.plugin, self.name).probabilities

    def test_it_learns_what_can_be_learned(self, learner, features, labels):
        predicted = learner.fit(features[:80], labels[:80]).predict(features[80:])
        assert np.mean(predicted == labels[80:]) > 0.8

    def test_classes_are_the_labels_it_saw_in_ascending_order(self, learner, features, labels):
        learner.fit(features, labels)
        assert learner.classes_.tolist() == [1, 4, 7]
        assert set(learner.predict(features).tolist()) <= {1, 4, 7}

    def test_probabilities_are_between_0_and_1_and_sum_to_1(self, learner, features, labels):
        self.require_probabilities()
        probabilities = learner.fit(features[:80], labels[:80]).predict_proba(features)
        assert probabilities.shape == (120, 3)
        assert probabilities.dtype in (np.float32, np.float64)
        assert probabilities.min() >= 0
        assert probabilities.max() <= 1
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(120), abs=1e-5)

    def test_columns_are_in_the_order_of_the_classes(self, learner, features, labels):
        self.require_probabilities()
        learner.fit(features, labels)
        likeliest = learner.classes_[learner.predict_proba(features).argmax(axis=1)]
        assert np.array_equal(likeliest, learner.predict(features))

    def test_two_classes_have_two_columns(self, learner, features, labels):
        self.require_probabilities()
        two = labels != 4
        learner.fit(features[two], labels[two])
        assert learner.predict_proba(features).shape == (120, 2)

    def test_what_it_predicts_for_a_row_depends_on_that_row_only(self, learner, features, labels):
        learner.fit(features, labels)
        alone = [int(learner.predict(row[None])[0]) for row in features[:20]]
        assert learner.predict(features)[:20].tolist() == alone

    def test_clones_are_unfitted_and_learn_the_same(self, learner, features, labels):
        learner.fit(features, labels)
        copy = clone(learner)
        with pytest.raises(NotFittedError):
            copy.predict(features)
        assert self.answers(copy.fit(features, labels), features) == self.answers(learner, features)

    def test_the_same_seed_gives_the_same_result_whatever_the_global_state(self, features, labels):
        answers = []
        for state in (1, 2):
            np.random.seed(state)
            learner = self.make(seed=9)
            answers.append(self.answers(learner.fit(features, labels), features))
        assert answers[0] == answers[1]

    def test_prediction_before_fitting_is_refused(self, learner, features):
        with pytest.raises(NotFittedError):
            learner.predict(features)

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_shuffled_labels_give_chance_accuracy(self, learner, features, labels):
        """Within 4 standard errors of 1/3."""
        shuffled = np.random.default_rng(2).permutation(labels)
        predicted = learner.fit(features[:60], shuffled[:60]).predict(features[60:])
        assert abs(np.mean(predicted == shuffled[60:]) - 1 / 3) < 4 * (2 / 9 / 60) ** 0.5

    def test_a_fit_that_stops_early_says_so_however_deep_it_is(self, features, labels):
        with pytest.warns(ConvergenceWarning):
            self.make(max_iter=1).fit(features, labels)

    def test_columns_that_never_vary_do_no_harm(self, learner, features, labels):
        """0.1 has no exact float32, so that its mean may differ from it in the last digit."""
        constant = np.full((120, 3), [0, 0.1, -1], dtype=np.float32)
        learner.fit(np.hstack([features, constant])[:80], labels[:80])
        predicted = learner.predict(np.hstack([features, constant])[80:])
        assert np.mean(predicted == labels[80:]) > 0.8

    @pytest.mark.parametrize("sizes", [(40, 2, 1), (1, 40, 1), (2, 1, 1), (1, 1, 1), (3, 1)])
    @pytest.mark.filterwarnings("ignore:no class has two images:UserWarning")
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_classes_of_one_or_two_rows_are_learned_like_others(self, learner, features, labels, sizes):
        rows = np.concatenate(
            [
                np.flatnonzero(labels == label)[:size]
                for label, size in zip((1, 4, 7), sizes, strict=False)
            ]
        )
        learner.fit(features[rows], labels[rows])
        assert learner.classes_.tolist() == [1, 4, 7][: len(sizes)]
        assert np.isfinite(self.answers(learner, features)).all()

    def test_useless_option_values_are_refused_before_it_is_made(self):
        options = {option.name: option for option in spec_of(self.plugin, self.name).options}
        for given in self.refused:
            ((name, value),) = given.items()
            with pytest.raises(UsageError, match=f"option {name}={value}: .* wanted$"):
                options[name].parse(str(value))

    def require_probabilities(self) -> None:
        if not spec_of(self.plugin, self.name).probabilities:
            pytest.skip("this learner says that it gives no probabilities")

    def answers(self, learner: Any, features: np.ndarray) -> list[Any]:
        """The finest answer it gives: probabilities, or else the decision function."""
        spec = spec_of(self.plugin, self.name)
        method = learner.predict_proba if spec.probabilities else learner.decision_function
        answers: list[Any] = method(features).tolist()
        return answers
