"""Folds: which rows are trained on and which are predicted."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold
from support.folds import assert_every_row_is_tested_once, seen_as_lists

from stackkit.api.dataset import Sample
from stackkit.api.errors import EvaluationError, UsageError
from stackkit.evaluation.folds import Fold, inner_folds, official_fold, stratified_folds

CLASSES = ("Ani", "Auklet", "Bobolink", "Cardinal", "Catbird")

some_labels = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(np.array)
"""(n,) labels: uneven classes, classes with one member, classes with none."""

counts = st.integers(2, 6)


@st.composite
def enough_labels(draw: st.DrawFn) -> np.ndarray:
    """(n,) labels in any order: at least two classes have images, and these at least 6."""
    sizes = [*draw(st.lists(st.integers(6, 15), min_size=2, max_size=4)), 0]
    labels = np.repeat(np.arange(len(sizes)), draw(st.permutations(sizes)))
    return np.array(draw(st.permutations(labels.tolist())))


def stratified(
    labels: np.ndarray, count: int = 3, *, shuffle: bool = False, seed: int = 0
) -> list[Fold]:
    return stratified_folds(labels, CLASSES, count, shuffle=shuffle, seed=seed)


@given(enough_labels(), counts, st.booleans(), st.integers(0, 9))
def test_stratified_folds_are_scikit_learns(labels, count, shuffle, seed):
    folds = stratified(labels, count, shuffle=shuffle, seed=seed)
    splitter = StratifiedKFold(count, shuffle=shuffle, random_state=seed if shuffle else None)
    expected = [(train.tolist(), test.tolist()) for train, test in splitter.split(labels, labels)]
    assert seen_as_lists(folds) == expected
    assert_every_row_is_tested_once(folds, len(labels))


def test_the_seed_matters_only_when_shuffling():
    labels = np.repeat([0, 1], 9)
    assert seen_as_lists(stratified(labels, seed=1)) == seen_as_lists(stratified(labels, seed=2))
    shuffled = [seen_as_lists(stratified(labels, shuffle=True, seed=seed)) for seed in (1, 2, 1)]
    assert shuffled[0] == shuffled[2] != shuffled[1]


def test_classes_with_fewer_images_than_folds_are_all_named_smallest_first():
    with pytest.raises(EvaluationError) as caught:
        stratified(np.array([0, 0, 0, 2, 2, 3]))
    named = (
        f"2 classes have fewer usable images than the 3 folds: '{CLASSES[3]}' (1), '{CLASSES[2]}' (2)"
    )
    assert str(caught.value) == f"{named}; leave the classes out, or add images"


def test_fewer_folds_are_suggested_if_they_would_do():
    with pytest.raises(EvaluationError, match=r"1 class has .* 3 folds: .* \(2\); use --cv 2, leave"):
        stratified(np.array([0, 0, 0, 2, 2, 3, 3, 3]))


def test_a_class_without_images_is_allowed():
    assert len(stratified(np.array([0, 0, 0, 4, 4, 4]))) == 3


@pytest.mark.parametrize(("labels", "found"), [([1, 1, 1, 1], 1), ([], 0)])
def test_fewer_than_two_classes_are_refused(labels, found):
    with pytest.raises(EvaluationError, match=f"at least two classes, got {found}"):
        stratified(np.array(labels, dtype=np.int64))


@pytest.mark.parametrize("count", [1, 0, -3])
def test_fewer_than_two_folds_are_refused(count):
    with pytest.raises(UsageError, match=f"--cv must be at least 2, got {count}"):
        stratified(np.array([0, 0, 1, 1]), count)


def samples(*parts: str | None) -> list[Sample]:
    return [Sample(id=str(i), label=i % 2, split=part) for i, part in enumerate(parts)]


def test_the_official_split_is_used_unchanged_without_val():
    (fold,) = official_fold(samples("train", "test", "val", "train", None, "test", "train"))
    assert fold.train.tolist() == [0, 3, 6]
    assert fold.test.tolist() == [1, 5]


@pytest.mark.parametrize(
    ("parts", "counted"),
    [
        ([None, None], "0 training and 0 test"),
        (["train", "train"], "2 training and 0 test"),
        (["val", "test"], "0 training and 1 test"),
    ],
)
def test_a_missing_official_split_is_an_error_that_suggests_cv(parts, counted):
    with pytest.raises(EvaluationError, match=f"{counted} images; use --cv"):
        official_fold(samples(*parts))


@pytest.mark.parametrize(
    ("parts", "described"),
    [
        (
            ["training", "testing", "training"],
            "0 test images (its plugin marks 1 as 'testing', 2 as 'training'; expected",
        ),
        (["train", "Test"], "1 training and 0 test images (its plugin marks 1 as 'Test'; expected"),
    ],
)
def test_unknown_names_of_parts_are_named(parts, described):
    with pytest.raises(EvaluationError) as caught:
        official_fold(samples(*parts))
    assert f"{described} 'train', 'val' or 'test'); use --cv" in str(caught.value)


def test_an_official_training_part_of_one_class_is_refused():
    with pytest.raises(EvaluationError, match="at least two classes"):
        official_fold(samples("train", "test", "train", "test"))


@given(some_labels, counts, st.integers(0, 99))
def test_inner_folds_test_every_row_once_and_keep_classes_balanced(labels, count, seed):
    try:
        folds = inner_folds(labels, count, seed=seed)
    except EvaluationError:
        return assert_too_few(labels, count)
    assert 2 <= len(folds) <= count
    assert len(folds) == count or len(folds) >= np.bincount(labels).max()
    assert_every_row_is_tested_once(folds, len(labels))
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) > 0
    for label in set(labels.tolist()):
        members = [int((labels[fold.test] == label).sum()) for fold in folds]
        assert max(members) - min(members) <= 1
    assert all(len(set(labels[fold.train].tolist())) >= 2 for fold in folds)
    return None


def assert_too_few(labels: np.ndarray, count: int) -> None:
    """Only tiny data may be refused: with two classes that reach two folds, two always remain."""
    members = Counter(labels.tolist())
    assert sum(size >= 2 for size in members.values()) < 2
    assert len(members) <= count + 1


@given(enough_labels(), counts, st.integers(0, 99))
def test_inner_folds_are_the_same_for_the_same_seed(labels, count, seed):
    once, again = inner_folds(labels, count, seed=seed), inner_folds(labels, count, seed=seed)
    assert seen_as_lists(once) == seen_as_lists(again)


def test_another_seed_gives_other_inner_folds():
    labels = np.repeat([0, 1, 2], 10)
    first, second = inner_folds(labels, 3, seed=0), inner_folds(labels, 3, seed=1)
    assert seen_as_lists(first) != seen_as_lists(second)


def test_the_only_image_of_a_class_is_predicted_by_a_learner_without_the_class():
    labels = np.array([0, 0, 0, 1, 1, 1, 2])
    (fold,) = [fold for fold in inner_folds(labels, 3, seed=0) if 6 in fold.test]
    assert set(labels[fold.train].tolist()) == {0, 1}


def test_too_few_rows_for_inner_folds_are_an_error_with_a_remedy():
    with pytest.raises(EvaluationError, match=r"fold of 2 images is too small.*fit_on=in-sample"):
        inner_folds(np.array([0, 1]), 3, seed=0)
