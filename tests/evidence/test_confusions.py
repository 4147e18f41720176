"""Counts of what is taken for what, and of what networks know together."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_score, recall_score
from support.made_up_runs import made_up

from stackkit.evaluation.outcomes import RowOutcome
from stackkit.evidence.agreement import agreement
from stackkit.evidence.confusions import confused_pairs, confusion, examples, order, per_class


def test_confusions_recalls_and_precisions_are_those_of_scikit_learn():
    outcomes = made_up(n=300).outcomes
    counts = confusion(outcomes, 1)
    true, predicted = outcomes.true, outcomes.rows[1].predicted
    assert np.array_equal(counts, confusion_matrix(true, predicted))
    found = per_class(counts)
    assert np.allclose([each.accuracy for each in found], recall_score(true, predicted, average=None))
    assert np.allclose(
        [each.precision for each in found], precision_score(true, predicted, average=None)
    )
    assert all(each.taken_for == (each.label + 1) % 10 for each in found if each.taken_for_images)


def test_images_of_several_repeats_count_once():
    outcomes = made_up(n=100, repeats=3).outcomes
    counts = confusion(outcomes, 0)
    assert np.allclose(counts.sum(axis=1), 10)
    assert np.isclose(np.trace(counts) / 100, outcomes.correct()[:, 0].mean())


def test_classes_that_are_taken_for_each_other_stand_together():
    n = 60
    counts = 50 * np.eye(n)
    for first, second in ((0, 59), (3, 30), (10, 50)):
        counts[first, second] = counts[second, first] = 10
    places = np.argsort(order(counts))
    assert sorted(places) == list(range(n))
    assert all(abs(places[a] - places[b]) == 1 for a, b in ((0, 59), (3, 30), (10, 50)))
    for few in (1, 2):
        assert order(np.eye(few)).tolist() == list(range(few))


def test_pairs_come_with_most_images_first_and_equal_ones_by_their_share():
    counts = np.diag([50.0, 50, 5, 5])
    counts[0, 1], counts[1, 0], counts[2, 3], counts[3, 0] = 1, 3, 4, 1
    pairs = confused_pairs(counts)
    assert [(each.first, each.second) for each in pairs] == [(2, 3), (1, 0), (3, 0)]
    assert (pairs[1].first_as_second, pairs[1].second_as_first) == (3, 1)
    assert confused_pairs(np.eye(4)) == []


def test_examples_of_a_pair_are_mistakes_first_and_then_recognised_images():
    outcomes = made_up(n=100).outcomes
    predicted = outcomes.true.astype(np.int32)
    predicted[[20, 40]] = 7  # images of class 0
    outcomes = replace(outcomes, rows=[RowOutcome(predicted=predicted)])
    assert examples(outcomes, 0, 0, 7, most=3) == [20, 40, 0]
    assert examples(outcomes, 0, 7, 0) == [7, 17]


def test_agreement_counts_every_image_once_and_bounds_what_a_stack_can_reach():
    run = made_up(
        {"logistic on lite0": 0.7, "logistic on lite2": 0.8, "soft-vote": 0.9}, n=200, repeats=2
    )
    document: Any = {
        "results": [{"kind": each.kind, "backbones": list(each.backbones)} for each in run.results]
    }
    found = agreement(document, run.outcomes, 2)
    assert found is not None
    right = np.array([row.predicted == run.outcomes.true for row in run.outcomes.rows])
    assert np.isclose(found.images.sum(), 200)
    assert np.isclose(found.images[0], (~right[0] & ~right[1]).sum() / 2)
    assert np.isclose(found.only[0], (right[0] & ~right[1]).sum() / 2)
    assert np.isclose(found.stack_right.sum(), right[2].sum() / 2)
    assert np.isclose(found.oracle, (right[0] | right[1]).mean())
    assert agreement({"results": document["results"][1:]}, run.outcomes, 1) is None
