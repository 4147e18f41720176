"""Groups: images that are never divided between the training and the test part of a fold."""

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold
from support.folds import assert_every_row_is_tested_once, seen_as_lists

from stackkit.api.dataset import Sample
from stackkit.api.errors import EvaluationError
from stackkit.evaluation.folds import Fold, inner_folds, stratified_folds
from stackkit.evaluation.groups import group_images, numbered

CLASSES = ("Ani", "Auklet", "Bobolink", "Cardinal", "Catbird")


@st.composite
def grouped_labels(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """(n,) labels and (n,) groups, some of them of several classes; most classes are in several."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=6, max_size=24))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    n_classes = draw(st.integers(2, min(4, len(sizes) // 3)))
    labels = np.arange(len(sizes))[groups] % n_classes
    for row in draw(st.lists(st.integers(0, len(labels) - 1), max_size=4)):
        labels[row] = draw(st.integers(0, n_classes - 1))
    order = np.array(draw(st.permutations(range(len(labels)))))
    return labels[order], numbered(groups[order])


def assert_groups_are_together(folds: list[Fold], groups: np.ndarray) -> None:
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert len(fold.test)


@given(grouped_labels(), st.integers(2, 4), st.booleans(), st.integers(0, 9))
def test_no_group_is_in_two_folds_and_each_row_is_tested_once(data, count, shuffle, seed):
    labels, groups = data
    try:
        folds = stratified_folds(
            labels, CLASSES, count, shuffle=shuffle, seed=seed, repeats=2, groups=groups
        )
    except EvaluationError:
        reject()  # too few groups, see below
    for of_repeat in (folds[:count], folds[count:]):
        assert_every_row_is_tested_once(of_repeat, len(labels))
        assert_groups_are_together(of_repeat, groups)


@given(grouped_labels(), st.integers(2, 4))
def test_groups_of_one_image_give_balanced_folds(data, count):
    labels, _ = data
    labels = np.tile(labels, count)
    folds = stratified_folds(labels, CLASSES, count, shuffle=True, seed=0, groups=np.arange(len(labels)))
    for label in set(labels.tolist()):
        members = [int((labels[fold.test] == label).sum()) for fold in folds]
        assert max(members) - min(members) <= 1


def test_grouped_folds_are_scikit_learns():
    sizes = [3, 2, 4, 4, 1, 2, 1]
    labels, groups = np.repeat([0, 1, 0, 1, 0, 1, 1], sizes), np.repeat(np.arange(7), sizes)
    folds = stratified_folds(labels, CLASSES, 3, shuffle=False, seed=0, groups=groups)
    expected = StratifiedGroupKFold(3).split(labels, labels, groups)
    assert seen_as_lists(folds) == [(train.tolist(), test.tolist()) for train, test in expected]


def test_shuffling_groups_depends_on_the_seed():
    labels, groups = np.repeat([0, 1] * 6, 2), np.repeat(np.arange(12), 2)
    by_seed = [
        seen_as_lists(stratified_folds(labels, CLASSES, 3, shuffle=True, seed=seed, groups=groups))
        for seed in (1, 2, 1)
    ]
    assert by_seed[0] == by_seed[2] != by_seed[1]


def test_classes_with_fewer_groups_than_folds_are_all_named_in_one_message():
    labels, groups = np.repeat([0, 2, 3], 4), np.array([0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6])
    with pytest.raises(EvaluationError) as caught:
        stratified_folds(labels, CLASSES, 3, shuffle=False, seed=0, groups=groups)
    assert str(caught.value) == (
        "2 classes have fewer groups of images than the 3 folds: 'Cardinal' (1), 'Bobolink' (2); "
        "leave the classes out, or add images of other groups"
    )


def test_groups_that_leave_one_class_to_train_on_are_refused():
    labels, groups = np.array([0, 1, 1, 0]), np.array([0, 0, 1, 2])
    with pytest.raises(EvaluationError, match="cannot be divided into 2 folds that each train on two"):
        stratified_folds(labels, CLASSES, 2, shuffle=False, seed=0, groups=groups)


@given(grouped_labels(), st.integers(2, 6), st.integers(0, 99))
def test_inner_folds_keep_groups_together(data, count, seed):
    labels, groups = data
    try:
        folds = inner_folds(labels, count, seed=seed, groups=groups * 3 + 5)
    except EvaluationError:
        reject()
    assert 2 <= len(folds) <= count
    assert_every_row_is_tested_once(folds, len(labels))
    assert_groups_are_together(folds, groups)


@pytest.mark.parametrize(
    ("labels", "groups"),
    [([0, 0, 1, 1], [0, 0, 0, 0]), ([0, 1, 2], [0, 0, 1]), ([0, 0, 1, 1], [0, 0, 1, 1])],
)
def test_too_few_groups_for_inner_folds_are_an_error(labels, groups):
    with pytest.raises(EvaluationError, match=r"images in \d group\(s\) is too small for out-of-fold"):
        inner_folds(np.array(labels), 3, seed=0, groups=np.array(groups))


some_groups = st.lists(st.sampled_from([None, "nest", "burrow", "cave"]), min_size=2, max_size=9)


@given(some_groups, st.data())
def test_images_belong_together_through_groups_and_copies(names, data):
    prints = data.draw(st.lists(st.sampled_from("abcdefg"), min_size=len(names), max_size=len(names)))
    images = [Sample(id=str(i), label=0, group=name) for i, name in enumerate(names)]
    for fingerprints in ((), prints):
        found = group_images(images, fingerprints)
        # The slow way: merge two images that share anything until nothing changes.
        expected = list(range(len(names)))
        linked = [
            (i, k)
            for i in range(len(names))
            for k in range(i)
            if (names[i] is not None and names[i] == names[k])
            or (len(fingerprints) and prints[i] == prints[k])
        ]
        for _ in names:
            for i, k in linked:
                expected[i] = expected[k] = min(expected[i], expected[k])
        if found is None:
            assert not linked
        else:
            assert found.tolist() == numbered(np.array(expected)).tolist()


def test_unreadable_images_are_not_copies_of_each_other():
    assert group_images([Sample(id=str(i), label=0) for i in range(3)], ["", "", ""]) is None
