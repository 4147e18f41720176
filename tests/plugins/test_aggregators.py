"""Built-in aggregators of probabilities: the conformance checks, and what is special to each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlxtend.classifier import EnsembleVoteClassifier
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import LabelEncoder
from sklearn.svm import LinearSVC
from support.conformance import broken
from support.making import create, probabilities
from support.stacks import Stack, log_loss, many, stacks

from stackkit_plugins import average_svm, voting
from stackkit_plugins.shared.probabilities import canonical_order, true_class_probabilities


@pytest.mark.parametrize("plugin", ["average-svm", "voting"])
def test_its_components_pass_all_checks(plugin: str):
    assert broken(plugin) == {}


@pytest.mark.parametrize(
    "text", ["average-svm:fit_on=out-of-fold,dual=auto", "weighted-vote:fit_on=in-sample"]
)
def test_they_pass_all_checks_with_other_options(text: str):
    plugin = "average-svm" if text.startswith("average-svm") else "voting"
    assert broken(plugin, text) == {}


class TestAverageSVM:
    plugin = average_svm

    @pytest.mark.parametrize(("dual", "svm"), [("true", True), ("false", False), ("auto", "auto")])
    def test_it_is_a_linear_svc_on_the_mean(self, labels, dual, svm):
        known, new = probabilities(labels, 1, 0), probabilities(labels, 1, 1)
        found = create(self.plugin, dual=dual, C=2.0, seed=3).fit(known, labels).predict(new)
        plain = LinearSVC(dual=svm, C=2.0, random_state=3).fit(known.mean(axis=0), labels)
        assert found.tolist() == plain.predict(new.mean(axis=0)).tolist()

    @pytest.mark.parametrize("fit_on", ["in-sample", "out-of-fold"])
    def test_fit_on_is_an_option(self, fit_on):
        assert create(self.plugin, fit_on=fit_on).fit_on == fit_on

    def test_in_sample_is_the_default_as_in_the_recipe(self, aggregator):
        assert aggregator.fit_on == "in-sample"

    def test_mlxtends_warning_about_fitted_learners_is_suppressed(self, aggregator, labels, recwarn):
        aggregator.fit(probabilities(labels, 9), labels)
        assert not recwarn.list

    def test_it_corrects_a_bias_that_a_vote_cannot(self, aggregator, labels):
        """All learners shift every label by one: the mean is wrong everywhere, the SVM nowhere."""
        shifted = probabilities((labels + 1) % 5, 9)
        assert np.array_equal(aggregator.fit(shifted, labels).predict(shifted), labels)


class TestSoftVote:
    plugin = voting
    name = "soft-vote"

    def test_it_is_the_argmax_of_the_plain_mean(self, aggregator, labels):
        made = probabilities(labels, 1)
        assert np.array_equal(aggregator.predict(made), made.mean(axis=0).argmax(axis=1))

    def test_on_a_tie_the_lowest_label_wins(self, aggregator):
        assert aggregator.predict(np.full((2, 3, 4), 0.25)).tolist() == [0, 0, 0]


class TestGeometricVote:
    plugin = voting
    name = "geometric-vote"

    @many
    @given(stack=stacks(coarse=False))
    def test_it_is_the_argmax_of_the_product(self, stack: Stack):
        made, _ = stack
        every_class = np.arange(made.shape[2])
        found = create(self.plugin, self.name).fit(made, every_class).predict(made)
        product = made.prod(axis=0)
        assert product[np.arange(len(found)), found] == pytest.approx(product.max(axis=1), rel=1e-9)

    @many
    @given(stack=stacks(coarse=False), seed=st.integers(0, 100))
    def test_scaling_all_classes_of_a_learner_changes_nothing(self, stack: Stack, seed: int):
        made, labels = stack
        factors = np.random.default_rng(seed).uniform(0.1, 1, size=(*made.shape[:2], 1))
        vote = create(self.plugin, self.name).fit(made, labels)
        assert vote.predict(made * factors).tolist() == vote.predict(made).tolist()

    def test_a_zero_counts_as_the_floor_and_is_not_a_veto(self):
        made = np.array([[[0.0, 1.0]], [[1 - 1e-14, 1e-14]], [[1 - 1e-14, 1e-14]]])
        vote = create(self.plugin, self.name).fit(made, np.array([0, 1]))
        assert vote.predict(made).tolist() == [0]
        assert vote.predict(made[:2]).tolist() == [1]

    def test_a_row_of_zeros_is_assigned_to_a_class_with_samples(self):
        made = np.zeros((2, 1, 3))
        assert create(self.plugin, self.name).fit(made, np.array([2])).predict(made).tolist() == [2]

    def test_on_a_tie_the_lowest_label_wins(self):
        made = np.full((2, 3, 4), 0.25)
        assert create(self.plugin, self.name).fit(made, np.arange(1, 4)).predict(made).tolist() == [
            1,
            1,
            1,
        ]


class Prefitted(ClassifierMixin, BaseEstimator):
    """A learner for the votes of scikit-learn and mlxtend; its probabilities are the features."""

    def __init__(self, index: int, n_classes: int) -> None:
        self.index = index
        self.n_classes = n_classes
        self.classes_ = np.arange(n_classes)

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Prefitted":
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return X.reshape(len(X), -1, self.n_classes)[:, self.index]

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.predict_proba(X).argmax(axis=1)


class TestMajorityVote:
    plugin = voting
    name = "majority-vote"

    @many
    @given(stack=stacks(coarse=False, learners=7))
    def test_without_a_tie_it_equals_the_hard_vote_of_scikit_learn_and_mlxtend(self, stack: Stack):
        made, _ = stack
        n_classes = made.shape[2]
        votes = np.eye(n_classes, dtype=int)[made.argmax(axis=2)].sum(axis=0)
        clear = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1
        found = create(self.plugin, self.name).fit(made, np.arange(n_classes)).predict(made)
        learners = [Prefitted(index, n_classes) for index in range(len(made))]
        X, y = made.transpose(1, 0, 2).reshape(made.shape[1], -1), np.arange(n_classes)
        mlxtends = EnsembleVoteClassifier(learners, voting="hard", fit_base_estimators=False)
        scikit_learns = VotingClassifier([(str(number), one) for number, one in enumerate(learners)])
        scikit_learns.estimators_ = learners
        scikit_learns.le_ = LabelEncoder().fit(y)
        with pytest.warns(UserWarning, match="fit_base_estimators=False"):
            mlxtends.fit(X[:1], y)
        for vote in (mlxtends, scikit_learns):
            assert found[clear].tolist() == vote.predict(X)[clear].tolist()

    @many
    @given(stack=stacks(learners=2, coarse=False))
    def test_the_mean_decides_between_two_learners_that_disagree(self, stack: Stack):
        """The mean may be highest for a third class, but that class has no vote."""
        made, _ = stack
        found = create(self.plugin, self.name).fit(made, np.arange(made.shape[2])).predict(made)
        for row, label in enumerate(found):
            voted = made[:, row].argmax(axis=1)
            assert label in voted
            assert made[:, row, label].sum() == made[:, row, voted].sum(axis=0).max()

    def test_on_a_tie_the_lowest_label_wins(self):
        made = np.array([[[0.1, 0.2, 0.7]], [[0.1, 0.7, 0.2]]])
        assert create(self.plugin, self.name).fit(made, np.arange(3)).predict(made).tolist() == [1]

    def test_more_votes_beat_a_higher_mean(self):
        made = np.array([[[0.51, 0.49]], [[0.51, 0.49]], [[0.0, 1.0]]])
        assert made.mean(axis=0).argmax() == 1
        assert create(self.plugin, self.name).fit(made, np.arange(2)).predict(made).tolist() == [0]


def by_scipy(likelihoods: np.ndarray) -> np.ndarray:
    """Find the weights with the lowest log-loss by sequential quadratic programming instead of EM."""
    count = len(likelihoods)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = weights @ likelihoods
        return -float(np.log(mixed).mean()), -(likelihoods / mixed).mean(axis=1)

    found = minimize(
        loss,
        np.full(count, 1 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    assert found.success
    weights: np.ndarray = found.x
    return weights


class TestWeightedVote:
    plugin = voting
    name = "weighted-vote"

    @many
    @given(stack=stacks())
    def test_weights_are_shares(self, stack: Stack):
        weights = create(self.plugin, self.name).fit(*stack).weights_
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)

    @many
    @given(stack=stacks())
    def test_its_log_loss_is_at_most_that_of_the_mean_and_of_any_learner(self, stack: Stack):
        made, labels = stack
        weights = create(self.plugin, self.name).fit(made, labels).weights_
        likelihoods = true_class_probabilities(made, labels)
        own = -np.log(weights @ likelihoods).mean()
        assert own <= -np.log(likelihoods.mean(axis=0)).mean() + 1e-12
        assert own <= min(log_loss(learner, labels) for learner in made) + 1e-6

    @many
    @given(stack=stacks())
    def test_weights_satisfy_the_optimality_conditions(self, stack: Stack):
        """Karush-Kuhn-Tucker: slopes are 1 where the weight is positive, and at most 1 elsewhere."""
        made, labels = stack
        weights = create(self.plugin, self.name, tol=1e-9, max_iter=200_000).fit(made, labels).weights_
        likelihoods = true_class_probabilities(made, labels)
        slopes = (likelihoods / (weights @ likelihoods)).mean(axis=1)
        assert slopes.max() <= 1 + 1e-9
        assert weights @ slopes == pytest.approx(1)
        assert np.abs(weights * (slopes - 1)).max() < 1e-6

    @pytest.mark.parametrize("sharpness", [0, 1, 3])
    @pytest.mark.parametrize("n_learners", [1, 2, 4, 12])
    def test_an_independent_solver_finds_the_same_optimum(self, labels, sharpness, n_learners):
        made = probabilities(labels, sharpness, n_learners=n_learners)
        likelihoods = true_class_probabilities(made, labels)
        found = create(self.plugin, self.name, tol=1e-9, max_iter=10_000).fit(made, labels).weights_
        expected = by_scipy(likelihoods)
        losses = [-np.log(weights @ likelihoods).mean() for weights in (found, expected)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-8)
        assert found == pytest.approx(expected, abs=1e-3)

    def test_it_predicts_by_the_weighted_mean(self, aggregator, labels):
        known, new = probabilities(labels, 1, 0), probabilities(labels, 1, 1)
        found = aggregator.fit(known, labels).predict(new)
        mean = np.tensordot(aggregator.weights_, new, axes=1)
        assert found.tolist() == mean.argmax(axis=1).tolist()

    def test_identical_learners_get_equal_weights(self, aggregator, labels):
        made = probabilities(labels, 1)[[0, 0, 1]]
        first, second, _ = aggregator.fit(made, labels).weights_
        assert first == second

    def test_an_uninformative_learner_gets_no_weight(self, aggregator, labels):
        made = probabilities(labels, 4).copy()
        made[1] = 0.2
        assert aggregator.fit(made, labels).weights_[1] < 1e-3

    def test_rows_that_every_learner_considers_impossible_do_not_matter(self, labels):
        made = probabilities(labels, 1).copy()
        without = create(self.plugin, self.name).fit(made[:, 20:], labels[20:]).weights_
        made[:, np.arange(20), labels[:20]] = 0
        assert create(self.plugin, self.name).fit(made, labels).weights_ == pytest.approx(
            without, abs=1e-2
        )

    def test_a_fit_that_stops_early_warns(self, labels):
        with pytest.warns(ConvergenceWarning, match="max_iter=2"):
            create(self.plugin, self.name, max_iter=2, tol=1e-12).fit(probabilities(labels, 1), labels)

    def test_a_converged_fit_does_not_warn(self, aggregator, labels, recwarn):
        aggregator.fit(probabilities(labels, 1), labels)
        assert not recwarn.list

    def test_out_of_fold_is_the_default(self, aggregator):
        assert aggregator.fit_on == "out-of-fold"
        assert create(self.plugin, self.name, fit_on="in-sample").fit_on == "in-sample"


ORDER_FREE = ["geometric-vote", "majority-vote", "weighted-vote"]


@pytest.mark.parametrize("name", ORDER_FREE)
@many
@given(stack=stacks(), seed=st.integers(0, 100))
def test_the_order_of_learners_never_matters_even_for_ties(name: str, stack: Stack, seed: int):
    made, labels = stack
    order = np.random.default_rng(seed).permutation(len(made))
    first = create(voting, name).fit(made, labels).predict(made)
    other = create(voting, name).fit(made[order], labels).predict(made[order])
    assert first.tolist() == other.tolist()


@pytest.mark.parametrize("name", ORDER_FREE)
@many
@given(stack=stacks())
def test_only_classes_with_samples_are_predicted(name: str, stack: Stack):
    made, labels = stack
    assert set(create(voting, name).fit(made, labels).predict(made)) <= set(labels)


@many
@given(stack=stacks(), seed=st.integers(0, 100))
def test_the_canonical_order_is_independent_of_the_given_order(stack: Stack, seed: int):
    made, _ = stack
    shuffled = made[np.random.default_rng(seed).permutation(len(made))]
    assert np.array_equal(made[canonical_order(made)], shuffled[canonical_order(shuffled)])
