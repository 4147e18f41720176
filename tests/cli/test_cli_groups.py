"""Groups and copies: what folds keep together, and what the report says where they cannot."""

import shutil
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest
from support.commands import HISTOGRAM, Command, chosen, photographs
from support.installing import Site

NESTS = """
    import numpy as np
    from PIL import Image
    from stackkit.api import *

    received = []

    @hookimpl
    def stackkit_datasets():
        layout = Option(name="layout", default="nests", help="")
        return [DatasetSpec(name="nests", summary="", factory="nests:Nests", options=(layout,))]

    @hookimpl
    def stackkit_learners():
        return [LearnerSpec(name="splitter", summary="", factory="nests:Splitter")]

    @hookimpl
    def stackkit_aggregators():
        return [
            AggregatorSpec(name="keeper", summary="", factory="nests:Keeper"),
            AggregatorSpec(name="wide", summary="", factory="nests:Wide"),
        ]

    class Nests:
        \"\"\"24 images of two classes, three of each nest.\"\"\"
        classes, notes = ("wren", "tit"), ()

        def __init__(self, layout):
            nest = [f"nest {i // 3}" for i in range(24)]
            split = [None] * 24
            if layout == "official":
                split = ["train" if i % 6 < 4 else "test" for i in range(24)]
            if layout == "uneven":
                nest = [f"nest {min(i % 12, 3)} of {i // 12}" for i in range(24)]
            if layout == "few":
                nest = [f"nest {i // 6}" for i in range(24)]
            self.samples = [
                Sample(id=f"{i:02}.png", label=i // 12, group=nest[i], split=split[i])
                for i in range(24)
            ]

        def image(self, i):
            noise = np.random.default_rng(i).integers(0, 256, (8, 8, 3))
            return Image.fromarray(noise.astype(np.uint8))

        def fingerprint(self, i):
            return "copy" if i in (0, 3) else str(i)

    class Splitter:
        def fit(self, X, y, groups=None):
            received.append(("learner", None if groups is None else groups.tolist(), y.tolist()))
            self.classes_ = np.unique(y)

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

        def predict_proba(self, X):
            return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    class Keeper:
        fit_on = "out-of-fold"

        def fit(self, probabilities, labels, groups=None):
            received.append(("aggregator", None if groups is None else groups.tolist(), labels.tolist()))

        def predict(self, probabilities):
            return np.zeros(probabilities.shape[1], int)

    class Wide:
        fit_on = "features"

        def fit(self, features, labels, learner, groups=None):
            learner.fit(np.hstack(features), labels, **group_argument(learner.fit, groups))

        def predict(self, features):
            return np.zeros(len(features[0]), int)
"""

NETWORK = ("--backbones", HISTOGRAM, "--baseline", "none")


@pytest.fixture
def nests(site: Site) -> Site:
    site.install("nests", NESTS)
    return site


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """9 images of each class; two copies of a/000.png, and one of a/001.png in the other class."""
    root = photographs(tmp_path / "pictures", a=9, b=9)
    for source, target in (("a/000", "a/800"), ("a/000", "a/900"), ("a/001", "b/950")):
        shutil.copy(root / f"{source}.png", root / f"{target}.png")
    return root


def said(document: dict[str, Any], text: str) -> str:
    """The only note with this text."""
    (note,) = [note for note in document["notes"] if text in note]
    return str(note)


def test_copies_in_several_folds_and_under_two_labels_are_counted(
    stackkit: Command, copies: Path
) -> None:
    document = stackkit("run", *chosen(copies), "--json").document
    found = document["duplicates"]
    assert (found["contents"], found["images"]) == (2, 5)
    assert found["in_train_and_test"] == {
        "sets": 2,
        "test_images": 5,
        "examples": [
            {"test": "a/000.png", "train": "a/800.png"},
            {"test": "a/001.png", "train": "b/950.png"},
        ],
    }
    assert found["under_several_labels"] == {
        "contents": 1,
        "images": 2,
        "examples": [{"a/001.png": "a", "b/950.png": "b"}],
    }
    note = said(
        document, "are in several folds: 5 image(s) are predicted by classifiers fitted on a copy"
    )
    assert "for example a/000.png and a/800.png" in note
    assert note.endswith("pass --group-duplicates.")
    assert "for example a/001.png (a), b/950.png (b)" in said(document, "different labels: 1 file")
    assert document["groups"] is None


def test_grouped_copies_are_on_one_side(stackkit: Command, copies: Path, tmp_path: Path) -> None:
    options = ("--group-duplicates", "--shuffle", "--repeats", "2", "--out", tmp_path / "out", "--json")
    document = stackkit("run", *chosen(copies), *options).document
    assert document["duplicates"]["in_train_and_test"]["sets"] == 0
    assert document["duplicates"]["under_several_labels"]["contents"] == 1
    assert document["groups"]["count"] == 18
    assert document["protocol"]["group_duplicates"] is True
    assert "cross-validation, groups kept together, shuffled" in document["protocol"]["title"]
    said(document, "Folds keep copies together: 5 images are 2 different files.")
    said(document, "different labels")
    ids = [{"a/000.png", "a/800.png", "a/900.png"}, {"a/001.png", "b/950.png"}]
    assert count_test_folds(tmp_path / "out", ids) == [1, 1] * 2


def count_test_folds(folder: Path, sets: list[set[str]]) -> list[int]:
    """In how many of three folds, repeat by repeat, the images of each set are tested."""
    with h5py.File(folder / "probabilities.h5") as file:
        names = [name.decode() for name in file["sample_ids"][:]]
        count = sum(name.startswith("fold_") for name in file)
        tested = [{names[row] for row in file[f"fold_{k}/test_rows"][:]} for k in range(count)]
    return [
        sum(bool(part & one) for part in tested[start : start + 3])
        for start in range(0, count, 3)
        for one in sets
    ]


def test_copies_in_both_official_parts_are_counted_and_not_moved(
    stackkit: Command, tmp_path: Path
) -> None:
    root = tmp_path / "pictures"
    photographs(root / "train", a=3, b=3)
    (root / "test").mkdir()
    shutil.copytree(root / "train/a", root / "test/a")
    options = (*chosen(root), "--split", "official")
    document = stackkit("run", *options, "--json").document
    assert document["duplicates"]["in_train_and_test"]["test_images"] == 3
    assert "delete the copies from one of them" in said(document, "are in both parts: 3 image(s)")
    outcome = stackkit("run", *options, "--group-duplicates")
    assert outcome.code == 2
    assert "--group-duplicates cannot be combined with --split official" in outcome.error


def test_images_without_copies_get_no_note(stackkit: Command, tmp_path: Path) -> None:
    root = photographs(tmp_path / "pictures", a=4, b=4)
    plain = stackkit("run", *chosen(root), "--json").document
    grouped = stackkit("run", *chosen(root), "--json", "--group-duplicates").document
    assert plain["duplicates"]["contents"] == 0
    assert not [note for note in plain["notes"] if "dentical" in note or "roup" in note]
    said(grouped, "No two images belong to one group")
    assert [one["fold_accuracy"] for one in plain["results"]] == [
        one["fold_accuracy"] for one in grouped["results"]
    ]


def test_folds_and_everything_inside_them_keep_groups_together(
    stackkit: Command, nests: Site, tmp_path: Path
) -> None:
    classifiers = ("--learner", "splitter", "--aggregator", "keeper", "--aggregator", "wide")
    options = ("--dataset", "nests", *NETWORK, *classifiers, "--out", tmp_path / "out", "--json")
    document = stackkit("run", *options).document
    assert document["protocol"]["grouped"] is True
    assert document["groups"] == {
        "count": 8,
        "largest": 3,
        "in_train_and_test": {"sets": 0, "test_images": 0, "examples": []},
    }
    said(document, "Folds keep groups together: 8 groups, the largest with 3 image(s). ")
    said(document, "Confidence intervals and tests take groups, not images, as independent")
    said(document, "inside each training fold, which keep groups together;")
    nest = [{f"{3 * k + i:02}.png" for i in range(3)} for k in range(8)]
    assert count_test_folds(tmp_path / "out", nest) == [1] * 8
    received = sys.modules["nests"].received
    assert {kind for kind, _, _ in received} == {"learner", "aggregator"}
    assert len(received) == 3 * (1 + 3 + 1 + 1)  # per fold: learner, inner folds, keeper, wide
    for _, groups, labels in received:
        # Whole nests of one class each, numbered in the order of their first images.
        assert [groups.count(group) for group in groups] == [3] * len(labels)
        assert list(dict.fromkeys(groups)) == list(range(len(labels) // 3))
        assert len(set(zip(groups, labels, strict=True))) == len(labels) // 3


def test_a_copy_links_two_groups(stackkit: Command, nests: Site, tmp_path: Path) -> None:
    """Images 0 and 3, of the first two nests, are copies."""
    options = ("--dataset", "nests", *NETWORK, "--group-duplicates", "--out", tmp_path / "out", "--json")
    document = stackkit("run", *options).document
    assert (document["groups"]["count"], document["groups"]["largest"]) == (7, 6)
    assert count_test_folds(tmp_path / "out", [{f"{i:02}.png" for i in range(6)}]) == [1]


def test_groups_in_both_official_parts_are_counted(stackkit: Command, nests: Site) -> None:
    options = ("--dataset", "nests:layout=official", *NETWORK, "--split", "official", "--json")
    document = stackkit("run", *options).document
    assert document["protocol"]["grouped"] is False
    assert document["groups"]["in_train_and_test"]["sets"] == 4
    note = said(document, "4 of 8 groups, the largest with 3 image(s), have images in both the training")
    assert "for example 03.png and 04.png: 8 test image(s)" in note


def test_repeats_that_groups_make_alike_are_counted(stackkit: Command, nests: Site) -> None:
    """Nests of different sizes are dealt out by size, which leaves chance little to decide."""
    options = ("--shuffle", "--repeats", "9", "--aggregator", "soft-vote", "--json", "--cv", "2")
    document = stackkit("run", "--dataset", "nests:layout=uneven", *NETWORK, *options).document
    said(document, "the 9 repeats have only")


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ("nests:layout=few", (), "2 classes have fewer groups of images than the 3 folds: "),
        (
            "nests",
            ("--group-duplicates", "--cv", "4"),
            "1 class has fewer groups of images than the 4",
        ),
    ],
)
def test_a_class_with_fewer_groups_than_folds_is_refused_before_the_extraction(
    stackkit: Command, nests: Site, home: Path, dataset: str, options: tuple[str, ...], message: str
) -> None:
    for command in (("run", "--dry-run"), ("run",)):
        outcome = stackkit(*command, "--dataset", dataset, *NETWORK, *options)
        assert outcome.code == 8
        assert message in outcome.error
        assert "'wren' (" in outcome.error
    assert not list(home.glob("features/*/*.h5"))
