"""What every aggregator plugin owes the host; each aggregator's tests inherit this suite."""

import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from stackkit.api import AggregatorSpec, OptionValue, UsageError

HEAVY = {"numpy", "scipy", "sklearn", "mlxtend", "tensorflow"}
ORDERS = ((1, 2, 0), (2, 1, 0))


def spec_of(plugin: ModuleType) -> AggregatorSpec:
    (spec,) = plugin.stackkit_aggregators()
    return spec


def create(plugin: ModuleType, **given: OptionValue) -> Any:
    """The plugin's aggregator as the host makes it: every declared option arrives as a keyword."""
    spec = spec_of(plugin)
    defaults = {option.name: option.default for option in spec.options}
    assert given.keys() <= defaults.keys()
    return spec.load()(**{**defaults, **given})


def probabilities(
    labels: np.ndarray, sharpness: float, seed: int = 0, n_learners: int = 3
) -> np.ndarray:
    """(n_learners, n, 5) that favour the label the more the sharper; 0 says nothing about it."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(n_learners, len(labels), 5)) + sharpness * np.eye(5)[labels]
    exponentials = np.exp(scores)
    made: np.ndarray = exponentials / exponentials.sum(axis=2, keepdims=True)
    made.flags.writeable = False
    return made


class SpecContract:
    """What an aggregator's plugin says about it before any of its code is imported."""

    plugin: ModuleType
    refused: tuple[dict[str, OptionValue], ...] = ()

    @pytest.fixture
    def aggregator(self) -> Any:
        return create(self.plugin)

    def test_the_plugin_offers_one_aggregator_with_a_summary(self):
        spec = spec_of(self.plugin)
        assert isinstance(spec, AggregatorSpec)
        assert spec.summary
        assert all(option.help for option in spec.options)

    def test_listing_the_plugin_imports_nothing_heavy(self):
        code = f"import sys, {self.plugin.__name__} as p; p.stackkit_aggregators(); print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not HEAVY & set(done.stdout.split())

    def test_useless_option_values_are_refused_before_it_is_made(self):
        options = {option.name: option for option in spec_of(self.plugin).options}
        for given in self.refused:
            ((name, value),) = given.items()
            with pytest.raises(UsageError, match=f"option {name}={value}: .* wanted$"):
                options[name].parse(str(value))


class AggregatorContract(SpecContract):
    """Inherit and name the plugin's module; `learns` is False if `fit` has nothing to do."""

    learns = True

    @pytest.fixture
    def labels(self) -> np.ndarray:
        """(200,) labels of 5 classes, in any order."""
        return np.random.default_rng(4).permutation(200) % 5

    def test_it_declares_what_it_is_fitted_on(self, aggregator):
        assert aggregator.fit_on in ("in-sample", "out-of-fold")

    @pytest.mark.parametrize("precision", [np.float32, np.float64])
    def test_it_recovers_labels_from_sharp_probabilities(self, aggregator, labels, precision):
        known, new = probabilities(labels, 9, 0), probabilities(labels, 9, 1)
        aggregator.fit(known.astype(precision), labels)
        predicted = aggregator.predict(new.astype(precision))
        assert np.issubdtype(predicted.dtype, np.integer)
        assert predicted.tolist() == labels.tolist()

    def test_probabilities_that_say_nothing_give_chance_accuracy(self, aggregator, labels):
        """Within 4 standard errors of 1/5."""
        aggregator.fit(probabilities(labels, 0, 0), labels)
        accuracy = np.mean(aggregator.predict(probabilities(labels, 0, 1)) == labels)
        assert abs(accuracy - 0.2) < 4 * (0.2 * 0.8 / 200) ** 0.5

    @pytest.mark.parametrize("order", ORDERS)
    def test_the_order_of_learners_is_immaterial(self, aggregator, labels, order):
        known, new = probabilities(labels, 1, 0), probabilities(labels, 1, 1)
        first = aggregator.fit(known, labels).predict(new)
        other = create(self.plugin).fit(known[list(order)], labels).predict(new[list(order)])
        assert first.tolist() == other.tolist()

    def test_one_learner_is_enough(self, aggregator, labels):
        sharp = probabilities(labels, 9)[:1]
        assert np.mean(aggregator.fit(sharp, labels).predict(sharp) == labels) > 0.95

    def test_forty_learners_are_fine(self, aggregator, labels):
        known, new = (probabilities(labels, 2, seed, n_learners=40) for seed in (0, 1))
        assert np.mean(aggregator.fit(known, labels).predict(new) == labels) > 0.95

    def test_what_it_predicts_for_a_row_depends_on_that_row_only(self, aggregator, labels):
        known, new = probabilities(labels, 1, 0), probabilities(labels, 1, 1)
        aggregator.fit(known, labels)
        alone = [int(aggregator.predict(new[:, [row]])[0]) for row in range(len(labels))]
        assert aggregator.predict(new).tolist() == alone

    def test_a_class_without_samples_is_never_predicted(self, aggregator, labels):
        seen = np.where(labels == 3, 2, labels)
        known = probabilities(seen, 3).copy()
        known[:, :, 3] = 0  # what the host hands over for a class no learner ever saw
        predicted = aggregator.fit(known, seen).predict(known)
        assert 3 not in predicted
        assert np.mean(predicted == seen) > 0.8

    def test_fitting_again_forgets_the_first_fit(self, aggregator, labels):
        first, second = probabilities(labels, 1, 0), probabilities(labels, 1, 1)
        aggregator.fit(first, (labels + 1) % 5)
        fresh = create(self.plugin).fit(second, labels)
        again = aggregator.fit(second, labels).predict(first)
        assert again.tolist() == fresh.predict(first).tolist()

    def test_the_callers_arrays_are_left_as_they_were(self, aggregator, labels):
        known = probabilities(labels, 1).copy()
        before, truth = known.copy(), labels.copy()
        aggregator.fit(known, labels).predict(known)
        assert np.array_equal(known, before)
        assert np.array_equal(labels, truth)

    def test_the_global_random_state_is_immaterial(self, labels):
        known, new = probabilities(labels, 1, 0), probabilities(labels, 1, 1)
        found = []
        for state in (1, 2):
            np.random.seed(state)
            found.append(create(self.plugin).fit(known, labels).predict(new).tolist())
        assert found[0] == found[1]

    def test_prediction_before_fitting_is_refused(self, aggregator, labels):
        if not self.learns:
            pytest.skip("this aggregator learns nothing")
        with pytest.raises(ValueError, match="fit"):
            aggregator.predict(probabilities(labels, 1))


class FeatureAggregatorContract(SpecContract):
    """For aggregators that are handed all features and an unfitted learner in place of probabilities."""

    @pytest.fixture
    def labels(self) -> np.ndarray:
        """(120,) labels 1, 4 and 7, in any order: the classes of a dataset that has others too."""
        return np.array([1, 4, 7])[np.random.default_rng(6).permutation(120) % 3]

    @pytest.fixture
    def features(self, labels: np.ndarray) -> list[np.ndarray]:
        """(120, 16) and (120, 5) float32 of two backbones, read-only as rows of a store may be."""
        random = np.random.default_rng(5)
        made = []
        for width in (16, 5):
            matrix = random.normal(size=(8, width))[labels] + random.normal(size=(120, width)) / 2
            made.append(matrix.astype(np.float32))
            made[-1].flags.writeable = False
        return made

    def test_it_declares_that_it_wants_features(self, aggregator):
        assert aggregator.fit_on == "features"

    def test_it_learns_what_can_be_learned(self, aggregator, features, labels):
        aggregator.fit([matrix[:80] for matrix in features], labels[:80], LogisticRegression())
        predicted = aggregator.predict([matrix[80:] for matrix in features])
        assert np.issubdtype(predicted.dtype, np.integer)
        assert np.mean(predicted == labels[80:]) > 0.8

    def test_shuffled_labels_give_chance_accuracy(self, aggregator, features, labels):
        """Within 4 standard errors of 1/3."""
        shuffled = np.random.default_rng(2).permutation(labels)
        aggregator.fit([matrix[:60] for matrix in features], shuffled[:60], LogisticRegression())
        predicted = aggregator.predict([matrix[60:] for matrix in features])
        assert abs(np.mean(predicted == shuffled[60:]) - 1 / 3) < 4 * (2 / 9 / 60) ** 0.5

    def test_only_classes_that_have_samples_are_predicted(self, aggregator, features, labels):
        aggregator.fit(features, labels, LogisticRegression())
        assert set(aggregator.predict(features).tolist()) <= {1, 4, 7}

    def test_one_backbone_is_enough(self, aggregator, features, labels):
        aggregator.fit(features[:1], labels, LogisticRegression())
        assert np.mean(aggregator.predict(features[:1]) == labels) > 0.8

    def test_forty_backbones_are_fine(self, aggregator, features, labels):
        aggregator.fit(features * 20, labels, LogisticRegression())
        assert np.mean(aggregator.predict(features * 20) == labels) > 0.8

    def test_fitting_again_forgets_the_first_fit(self, aggregator, features, labels):
        aggregator.fit(features, np.roll(labels, 1), LogisticRegression())
        again = aggregator.fit(features, labels, LogisticRegression()).predict(features)
        fresh = create(self.plugin).fit(features, labels, LogisticRegression())
        assert again.tolist() == fresh.predict(features).tolist()

    def test_the_callers_arrays_are_left_as_they_were(self, aggregator, features, labels):
        mine, truth = [matrix.copy() for matrix in features], labels.copy()
        aggregator.fit(mine, labels, LogisticRegression()).predict(mine)
        assert all(np.array_equal(*pair) for pair in zip(mine, features, strict=True))
        assert np.array_equal(labels, truth)

    def test_prediction_before_fitting_is_refused(self, aggregator, features):
        with pytest.raises(ValueError, match="fit"):
            aggregator.predict(features)
