"""stacked-logistic: the checks, its gradient, its optimum, and its limit, geometric-vote."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad, minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from support.conformance import broken
from support.making import create, probabilities
from support.stacks import Stack, many, stacks

from stackkit_plugins import stacked_logistic, voting
from stackkit_plugins.shared.probabilities import log_probabilities
from stackkit_plugins.stacked_logistic.aggregator import objective


def test_it_passes_all_checks():
    assert broken("stacked-logistic") == {}


class TestStackedLogistic:
    plugin = stacked_logistic

    @pytest.mark.parametrize("C", [1e-4, 1.0, 1e4])
    @many
    @given(stack=stacks(), seed=st.integers(0, 100))
    def test_the_gradient_is_that_of_the_objective(self, C: float, stack: Stack, seed: int):
        made, labels = stack
        logs = log_probabilities(made)
        at = np.random.default_rng(seed).normal(size=made.shape[0] + made.shape[2]) / 4
        slopes = objective(at, logs, labels, C)[1]
        error = check_grad(
            lambda x: objective(x, logs, labels, C)[0], lambda x: objective(x, logs, labels, C)[1], at
        )
        assert error < 1e-4 * max(1, np.abs(slopes).max())

    @pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
    def test_the_objective_is_as_documented(self, labels, C):
        logs = log_probabilities(probabilities(labels, 1))
        departure = np.random.default_rng(0).normal(size=8)
        scores = np.tensordot(1 / 3 + departure[:3], logs, axes=1) + departure[3:]
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = -np.log(chances[np.arange(200), labels]).sum()
        expected = (C * loss + departure @ departure / 2) / max(1, 200 * C)
        assert objective(departure, logs, labels, C)[0] == pytest.approx(expected)

    @pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
    def test_a_gradient_free_method_finds_no_lower_value(self, labels, C):
        made = probabilities(labels, 1)
        logs = log_probabilities(made)
        fitted = create(self.plugin, C=C).fit(made, labels)
        at = np.concatenate([fitted.weights_ - 1 / 3, fitted.intercept_])
        start = at + np.random.default_rng(0).normal(size=8) / 20
        other = minimize(lambda x: objective(x, logs, labels, C)[0], start, method="Powell", tol=1e-12)
        assert objective(at, logs, labels, C)[0] <= other.fun + 1e-9

    def test_with_two_classes_it_equals_logistic_regression_on_log_odds(self):
        """With hardly any penalty, (w . log p1 + b1) - (w . log p0 + b0) is linear in the log-odds."""
        labels = np.arange(300) % 2
        scores = np.random.default_rng(0).normal(size=(2, 300)) + np.where(labels, 0.5, -0.5)
        made = np.stack([1 / (1 + np.exp(scores)), 1 / (1 + np.exp(-scores))], axis=2)
        fitted = create(self.plugin, C=1e6).fit(made, labels)
        plain = LogisticRegression(C=1e6, tol=1e-8).fit(scores.T, labels)
        assert fitted.weights_ == pytest.approx(plain.coef_[0], abs=1e-3)
        difference = fitted.intercept_[1] - fitted.intercept_[0]
        assert difference == pytest.approx(plain.intercept_[0], abs=1e-3)

    @many
    @given(stack=stacks(coarse=False))
    def test_with_a_tiny_c_it_is_geometric_vote(self, stack: Stack):
        made, labels = stack
        fitted = create(self.plugin, C=1e-12).fit(made, labels)
        assert fitted.weights_ == pytest.approx(np.full(len(made), 1 / len(made)), abs=1e-6)
        assert fitted.intercept_ == pytest.approx(np.zeros(len(set(labels))), abs=1e-6)
        vote = create(voting, "geometric-vote").fit(made, labels)
        assert fitted.predict(made).tolist() == vote.predict(made).tolist()

    def test_a_larger_c_departs_further_from_geometric_vote(self, labels):
        made = probabilities(labels, 1)
        ways = []
        for C in (1e-6, 1e-3, 1.0, 1e3):
            fitted = create(self.plugin, C=C).fit(made, labels)
            ways.append(np.hypot(*map(np.linalg.norm, (fitted.weights_ - 1 / 3, fitted.intercept_))))
        assert ways == sorted(ways)

    @many
    @given(stack=stacks(), seed=st.integers(0, 100))
    def test_the_order_of_learners_does_not_matter(self, stack: Stack, seed: int):
        made, labels = stack
        order = np.random.default_rng(seed).permutation(len(made))
        first = create(self.plugin).fit(made, labels).predict(made)
        other = create(self.plugin).fit(made[order], labels).predict(made[order])
        assert first.tolist() == other.tolist()

    @many
    @given(stack=stacks())
    def test_only_classes_with_samples_are_predicted(self, stack: Stack):
        made, labels = stack
        assert set(create(self.plugin).fit(made, labels).predict(made)) <= set(labels)

    def test_it_corrects_a_class_that_all_learners_overestimate(self, aggregator, labels):
        made = probabilities(labels, 3).copy()
        made[:, :, 2] *= 50
        made /= made.sum(axis=2, keepdims=True)
        vote = create(voting, "geometric-vote").fit(made, labels)
        assert np.mean(vote.predict(made) == labels) < 0.8
        assert np.mean(aggregator.fit(made, labels).predict(made) == labels) > 0.95

    def test_an_uninformative_learner_has_no_influence(self, aggregator, labels):
        """Equal log-probabilities do not change a softmax, regardless of their weight."""
        made = probabilities(labels, 2).copy()
        made[1] = 0.2
        found = aggregator.fit(made, labels).predict(made)
        assert np.mean(found == labels) >= np.mean(made.prod(axis=0).argmax(axis=1) == labels)

    def test_a_fit_that_stops_early_warns(self, labels):
        with pytest.warns(ConvergenceWarning, match="after 1 iterations"):
            create(self.plugin, max_iter=1, tol=1e-12).fit(probabilities(labels, 1), labels)

    @pytest.mark.parametrize("C", [1e-12, 1e-3, 1.0, 1e6])
    @pytest.mark.parametrize("sharpness", [0, 1, 9])
    def test_a_converged_fit_does_not_warn(self, labels, C, sharpness, recwarn):
        create(self.plugin, C=C).fit(probabilities(labels, sharpness), labels)
        assert not recwarn.list

    def test_memory_grows_with_the_probabilities_and_not_with_classes_squared(self):
        """4 learners, 2,000 rows, 100 classes: 6.4 MB; a full design matrix would have 640 MB."""
        random = np.random.default_rng(0)
        made = random.dirichlet(np.ones(100), size=(4, 2000))
        aggregator = create(self.plugin, max_iter=3)
        tracemalloc.start()
        with pytest.warns(ConvergenceWarning):
            aggregator.fit(made, np.arange(2000) % 100)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * made.nbytes

    def test_out_of_fold_is_the_default(self, aggregator):
        assert aggregator.fit_on == "out-of-fold"
        assert create(self.plugin, fit_on="in-sample").fit_on == "in-sample"
