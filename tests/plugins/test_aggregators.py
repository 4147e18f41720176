"""stackkit's own aggregators: the contract, and what each of them promises beside it."""

import numpy as np
import pytest
from contracts.aggregator import AggregatorContract, create, probabilities
from sklearn.svm import LinearSVC

import stackkit_plugins.average_svm
import stackkit_plugins.soft_vote


class TestAverageSVM(AggregatorContract):
    plugin = stackkit_plugins.average_svm
    refused = (
        {"C": -1.0},
        {"C": 0.0},
        {"C": float("inf")},
        {"max_iter": 0},
        {"tol": 0.0},
        {"seed": -1},
    )

    @pytest.mark.parametrize(("dual", "svm"), [("true", True), ("false", False), ("auto", "auto")])
    def test_it_is_a_linear_svc_on_the_mean(self, labels, dual, svm):
        known, new = probabilities(labels, 1, 0), probabilities(labels, 1, 1)
        found = create(self.plugin, dual=dual, C=2.0, seed=3).fit(known, labels).predict(new)
        plain = LinearSVC(dual=svm, C=2.0, random_state=3).fit(known.mean(axis=0), labels)
        assert found.tolist() == plain.predict(new.mean(axis=0)).tolist()

    @pytest.mark.parametrize("fit_on", ["in-sample", "out-of-fold"])
    def test_what_it_is_fitted_on_is_an_option(self, fit_on):
        assert create(self.plugin, fit_on=fit_on).fit_on == fit_on

    def test_the_recipe_is_the_default(self, aggregator):
        assert aggregator.fit_on == "in-sample"

    def test_mlxtends_warning_about_fitted_learners_is_not_the_users(self, aggregator, labels, recwarn):
        aggregator.fit(probabilities(labels, 9), labels)
        assert not recwarn.list

    def test_it_can_correct_a_bias_that_a_vote_cannot(self, aggregator, labels):
        """All learners shift every label by one: the mean is wrong everywhere, the SVM nowhere."""
        shifted = probabilities((labels + 1) % 5, 9)
        assert np.array_equal(aggregator.fit(shifted, labels).predict(shifted), labels)


class TestSoftVote(AggregatorContract):
    plugin = stackkit_plugins.soft_vote
    learns = False

    def test_it_is_the_argmax_of_the_plain_mean(self, aggregator, labels):
        made = probabilities(labels, 1)
        assert np.array_equal(aggregator.predict(made), made.mean(axis=0).argmax(axis=1))

    def test_the_first_of_equals_wins(self, aggregator):
        assert aggregator.predict(np.full((2, 3, 4), 0.25)).tolist() == [0, 0, 0]
