"""ensemble-selection: the checks, and comparison with a plain, slow implementation."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.conformance import broken
from support.making import create, probabilities
from support.stacks import Stack, accuracy, log_loss, many, stacks

from stackkit_plugins import ensemble_selection

METRICS = ("log-loss", "accuracy")


def badness(made: np.ndarray, labels: np.ndarray, members: list[int], metric: str) -> tuple[float, ...]:
    """Return what selection minimises, for the plain mean of some learners."""
    mean = made[members].mean(axis=0)
    if metric == "log-loss":
        return (log_loss(mean, labels),)
    return (-accuracy(mean, labels), log_loss(mean, labels))


def selected_slowly(made: np.ndarray, labels: np.ndarray, rounds: int, metric: str) -> list[int]:
    """Caruana's selection word for word; the mean is recomputed for every candidate."""

    def bad(members: list[int]) -> tuple[float, ...]:
        return badness(made, labels, members, metric)

    ranked = sorted(range(len(made)), key=lambda learner: bad([learner]))
    starts = [ranked[:count] for count in range(1, len(ranked) + 1)]
    members = min(starts, key=bad)
    path = [members]
    for _ in range(rounds):
        members = min(([*members, learner] for learner in range(len(made))), key=bad)
        path.append(members)
    return min(path, key=bad)


def test_it_passes_all_checks():
    assert broken("ensemble-selection") == {}
    assert broken("ensemble-selection", "ensemble-selection:metric=accuracy,bags=3") == {}


class TestEnsembleSelection:
    plugin = ensemble_selection

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("seed", range(5))
    def test_it_selects_the_same_as_a_plain_implementation(self, labels, metric, seed):
        made = probabilities(labels, 1, seed, n_learners=4)
        found = create(self.plugin, metric=metric, rounds=12).fit(made, labels)
        members = selected_slowly(made, labels, 12, metric)
        shares = np.bincount(members, minlength=4) / len(members)
        assert found.weights_ == pytest.approx(shares)

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("seed", range(3))
    def test_it_comes_close_to_the_best_of_all_small_ensembles(self, labels, metric, seed):
        made = probabilities(labels, 1, seed)
        weights = create(self.plugin, metric=metric).fit(made, labels).weights_
        mean = np.tensordot(weights, made, axes=1)
        sets = [list(s) for k in range(1, 9) for s in combinations_with_replacement(range(3), k)]
        best = min(badness(made, labels, members, metric) for members in sets)
        if metric == "log-loss":
            assert log_loss(mean, labels) <= best[0] + 1e-3
        else:
            assert -accuracy(mean, labels) <= best[0] + 0.02

    @pytest.mark.parametrize("metric", METRICS)
    @many
    @given(stack=stacks(coarse=False))
    def test_on_its_training_rows_no_learner_is_better(self, metric: str, stack: Stack):
        made, labels = stack
        ensemble = create(self.plugin, metric=metric).fit(made, labels)
        mean = np.tensordot(ensemble.weights_, made, axes=1)
        if metric == "log-loss":
            assert log_loss(mean, labels) <= min(log_loss(one, labels) for one in made) + 1e-12
        else:
            only_seen = np.isin(np.arange(made.shape[2]), labels) * made
            right = np.mean(ensemble.predict(made) == labels)
            assert right >= max(accuracy(one, labels) for one in only_seen)

    @pytest.mark.parametrize("metric", METRICS)
    @many
    @given(stack=stacks(), bags=st.integers(0, 3))
    def test_weights_are_non_negative_and_sum_to_one(self, metric: str, stack: Stack, bags: int):
        weights = create(self.plugin, metric=metric, bags=bags, rounds=5).fit(*stack).weights_
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)

    @pytest.mark.parametrize("metric", METRICS)
    @many
    @given(stack=stacks(), seed=st.integers(0, 100))
    def test_the_order_of_learners_does_not_matter(self, metric: str, stack: Stack, seed: int):
        made, labels = stack
        order = np.random.default_rng(seed).permutation(len(made))
        options = {"metric": metric, "bags": seed % 3, "rounds": 5, "seed": seed}
        first = create(self.plugin, **options).fit(made, labels)
        other = create(self.plugin, **options).fit(made[order], labels)
        assert first.predict(made).tolist() == other.predict(made[order]).tolist()

    def test_more_rounds_never_make_it_worse(self, labels):
        made = probabilities(labels, 1)
        losses = []
        for rounds in (0, 1, 5, 50):
            weights = create(self.plugin, rounds=rounds).fit(made, labels).weights_
            losses.append(log_loss(np.tensordot(weights, made, axes=1), labels))
        assert losses == sorted(losses, reverse=True)

    def test_metric_accuracy_improves_accuracy_where_log_loss_does_not(self, labels):
        """One learner is always right but uncertain, the other is certain and sometimes wrong."""
        uncertain = np.where(np.eye(5)[labels] > 0, 0.24, 0.19)
        certain = np.where(
            np.eye(5)[np.where(np.arange(200) < 20, (labels + 1) % 5, labels)] > 0, 0.96, 0.01
        )
        made = np.stack([uncertain, certain])
        right = create(self.plugin, metric="accuracy").fit(made, labels).predict(made)
        assert right.tolist() == labels.tolist()
        assert (create(self.plugin).fit(made, labels).predict(made) != labels).sum() == 20

    def test_a_bag_contains_its_fraction_of_the_learners(self, labels):
        made = probabilities(labels, 1, n_learners=10)
        for fraction, size in ((0.3, 3), (0.01, 1), (1.0, 10)):
            ensemble = create(self.plugin, bags=1, bag_fraction=fraction).fit(made, labels)
            assert 1 <= np.count_nonzero(ensemble.weights_) <= size

    def test_bags_of_all_learners_equal_no_bags(self, labels):
        made = probabilities(labels, 1)
        bagged = create(self.plugin, bags=3, bag_fraction=1.0).fit(made, labels).weights_
        assert bagged == pytest.approx(create(self.plugin).fit(made, labels).weights_)

    def test_the_seed_decides_which_learners_are_in_a_bag(self, labels):
        made = probabilities(labels, 1, n_learners=10)
        found = {
            tuple(create(self.plugin, bags=1, seed=seed).fit(made, labels).weights_.tolist())
            for seed in (0, 0, 1, 2, 3)
        }
        assert len(found) > 1
        again = create(self.plugin, bags=1, seed=0).fit(made, labels).weights_
        assert tuple(again.tolist()) in found

    def test_out_of_fold_is_the_default(self, aggregator):
        assert aggregator.fit_on == "out-of-fold"
        assert create(self.plugin, fit_on="in-sample").fit_on == "in-sample"
