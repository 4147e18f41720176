"""A hold-out is drawn by class and by seed, and keeps groups together."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackkit.api.errors import EvaluationError
from stackkit.evaluation.holdout import holdout_draws

NAMES = ("wren", "robin", "tit", "finch")


def draws(labels, share=0.2, **options):
    return holdout_draws(np.array(labels), NAMES, share, seed=3, **options)


def test_each_class_gives_its_share_and_every_draw_is_another():
    labels = np.repeat([0, 1, 2], [50, 20, 7])
    folds = draws(labels, repeats=3)
    for fold in folds:
        assert Counter(labels[fold.test].tolist()) == {0: 10, 1: 4, 2: 1}
        assert sorted([*fold.train, *fold.test]) == list(range(77))
        assert (np.diff(fold.test) > 0).all()
    assert len({fold.test.tobytes() for fold in folds}) == 3
    assert [fold.test.tolist() for fold in draws(labels, repeats=2)] == [
        fold.test.tolist() for fold in folds[:2]
    ], "the same seed draws the same images"
    (later,) = holdout_draws(labels, NAMES, 0.2, seed=4)
    assert later.test.tolist() == folds[1].test.tolist(), "repeat r is seeded with seed + r"


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7)), min_size=4, max_size=40),
    share=st.floats(0.01, 0.99),
)
def test_groups_stay_together_and_every_class_is_in_both_parts_or_it_is_refused(rows, share):
    labels, groups = np.array(rows).T
    groups = np.unique(groups, return_inverse=True)[1]
    try:
        (fold,) = draws(labels, share, groups=groups)
    except EvaluationError:
        return
    assert not set(groups[fold.train]) & set(groups[fold.test])
    assert set(labels[fold.train]) == set(labels[fold.test]) == set(labels)
    assert len(fold.train) + len(fold.test) == len(rows)


def test_groups_are_tested_as_near_to_the_share_as_they_allow():
    labels, groups = np.repeat([0, 1], 60), np.arange(120) // 6
    (fold,) = draws(labels, 0.3, groups=groups)
    assert Counter(labels[fold.test].tolist()) == {0: 18, 1: 18}
    big = np.repeat([0, 0, 1, 1], [30, 20, 25, 25])  # each group is far more than 10 % of its class
    (fold,) = draws(big, 0.1, groups=np.repeat([0, 1, 2, 3], [30, 20, 25, 25]))
    assert Counter(big[fold.test].tolist()) == {0: 20, 1: 25}, "the smallest group of a class"


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        ([0, 0, 1], None, "but 1 class has ('robin') a single usable image; leave the classes out, or"),
        ([0, 1, 2], None, "but 3 classes have ('wren', 'robin', 'tit') a single usable image; leave"),
        ([0, 0, 1, 1], [0, 1, 2, 2], "('robin') a single group of images; leave the classes out, or"),
        ([0, 0], None, "training needs images of at least two classes, got 1"),
        # The only other group of either class holds what is left of the other class.
        ([0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 0, 2], "groups cannot be divided for --holdout: 1 class has"),
    ],
)
def test_a_class_that_cannot_be_on_both_sides_is_named(labels, groups, message):
    with pytest.raises(EvaluationError) as refusal:
        draws(labels, groups=None if groups is None else np.array(groups))
    assert message in str(refusal.value)
