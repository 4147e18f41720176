"""stackkit's own learners: the contract, and what each of them promises beside it."""

import numpy as np
import pytest
from contracts.learner import LearnerContract, create
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

import stackkit_plugins.linear_svm
import stackkit_plugins.logistic

REFUSED = (
    {"C": -1.0},
    {"C": 0.0},
    {"C": float("inf")},
    {"max_iter": 0},
    {"max_iter": -5},
    {"tol": 0.0},
    {"seed": -1},
    {"seed": 2**32},
)


class TestLogistic(LearnerContract):
    plugin = stackkit_plugins.logistic
    name = "logistic"
    refused = REFUSED

    def test_its_defaults_are_scikit_learns(self, learner, features, labels):
        plain = LogisticRegression().fit(features, labels)
        assert self.answers(learner.fit(features, labels), features) == self.answers(plain, features)

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


class TestLogisticOneVsRest(LearnerContract):
    plugin = stackkit_plugins.logistic
    name = "logistic-ovr"
    refused = REFUSED

    def test_it_is_liblinear_one_class_at_a_time(self, learner, features, labels):
        plain = OneVsRestClassifier(LogisticRegression(solver="liblinear")).fit(features, labels)
        assert self.answers(learner.fit(features, labels), features) == self.answers(plain, features)

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


class TestLinearSVM(LearnerContract):
    plugin = stackkit_plugins.linear_svm
    name = "linear-svm"
    refused = REFUSED

    def test_it_is_the_dual_linear_svc(self, learner, features, labels):
        plain = LinearSVC(dual=True, random_state=0).fit(features, labels)
        assert self.answers(learner.fit(features, labels), features) == self.answers(plain, features)
