"""Test what `knn` and `borda` do beyond the requirements for every learner and aggregator."""

import numpy as np
import pytest
from stackkit_neighbours.aggregator import Borda
from stackkit_neighbours.learner import Neighbours

NEAR_AND_FAR = np.array([[1, 0], [1, 0.1], [0, 1]], dtype=np.float32)


def test_nearer_images_have_more_weight() -> None:
    learner = Neighbours(k=3).fit(NEAR_AND_FAR, np.array([4, 7, 7]))
    ((four, seven),) = learner.predict_proba(np.array([[1, 0.01]], dtype=np.float32))
    assert four > seven


def test_uniform_votes_are_shares_of_k() -> None:
    learner = Neighbours(k=3, weights="uniform").fit(NEAR_AND_FAR, np.array([4, 7, 7]))
    assert learner.predict_proba(NEAR_AND_FAR[:1]).tolist() == [pytest.approx([1 / 3, 2 / 3])]


def test_fewer_images_than_k_all_vote() -> None:
    learner = Neighbours(k=100, weights="uniform").fit(NEAR_AND_FAR, np.array([0, 1, 1]))
    assert learner.predict(NEAR_AND_FAR).tolist() == [1, 1, 1]


def test_an_overconfident_learner_does_not_outvote_two_that_agree() -> None:
    modest, overconfident = [0.4, 0.3, 0.3], [0.0, 1.0, 0.0]
    stacked = np.array([[modest], [modest], [overconfident]])
    assert stacked.mean(axis=0).argmax() == 1
    assert Borda().fit(stacked, np.array([0, 1, 2])).predict(stacked).tolist() == [0]


def test_ties_go_to_the_higher_mean_probability() -> None:
    stacked = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    for learners in (stacked, stacked[::-1]):
        assert Borda().fit(learners, np.array([0, 1])).predict(learners).tolist() == [0]


def test_a_class_without_training_samples_is_never_predicted() -> None:
    stacked = np.array([[[0.2, 0.8, 0.0]]])
    assert Borda().fit(stacked, np.array([0, 2])).predict(stacked).tolist() == [0]
