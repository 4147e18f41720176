"""The sample that candidates are compared on, and subsets of a dataset in general."""

from collections import Counter
from pathlib import Path

import pytest
from support.commands import photographs

from stackkit.api.errors import EvaluationError
from stackkit.api.reporter import SilentReporter
from stackkit.extraction.dataset import CheckedDataset, open_dataset
from stackkit.extraction.extract import fingerprints
from stackkit.extraction.subset import Subset
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.suggestion.sample import default_limit, stratified_sample


def opened(root: Path) -> CheckedDataset:
    return open_dataset(Registry(host=load_host()).one("dataset", f"image-folder:root={root}"))


def test_a_sample_is_random_stratified_and_grows_with_its_limit(tmp_path: Path) -> None:
    dataset = opened(photographs(tmp_path, a=30, b=8, c=2))
    sample = stratified_sample(dataset, 10, seed=0)
    assert sample.classes == ("a", "b"), "c has fewer images than folds"
    assert Counter(one.label for one in sample.samples) == {0: 10, 1: 8}
    assert [one.id for one in sample.samples[:10]] != [one.id for one in dataset.samples[:10]]
    assert stratified_sample(dataset, 10, seed=0) == sample != stratified_sample(dataset, 10, seed=1)
    assert {*sample.numbers} < {*stratified_sample(dataset, 20, seed=0).numbers}


def test_classes_that_are_all_too_small_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"at least 3 images .*; the dataset has 1, expected"):
        stratified_sample(opened(photographs(tmp_path, a=3, b=2)), 10, seed=0)


def test_images_of_the_official_test_part_are_not_in_a_sample(tmp_path: Path) -> None:
    images = sorted(photographs(tmp_path, a=8, b=8).glob("*/*.png"))
    parts = ["test", "train", "val", ""] * 4
    lines = [f"{path},{path.parent.name},{part}" for path, part in zip(images, parts, strict=True)]
    table = tmp_path / "birds.csv"
    table.write_text("\n".join(["path,label,split", *lines]), encoding="utf-8")
    dataset = open_dataset(Registry(host=load_host()).one("dataset", f"csv:file={table}"))
    sample = stratified_sample(dataset, 10, seed=0)
    assert Counter(one.label for one in sample.samples) == {0: 6, 1: 6}
    assert "test" not in {one.split for one in sample.samples}


def test_the_default_sample_is_small_and_never_has_tiny_classes() -> None:
    assert [default_limit(classes) for classes in (2, 10, 200)] == [200, 40, 6]


def test_a_subset_has_the_images_labels_and_rows_of_the_whole(tmp_path: Path) -> None:
    dataset = opened(photographs(tmp_path, a=3, b=3, c=3))
    rows, _ = fingerprints("folder", dataset, SilentReporter())
    subset = Subset.of(dataset, [7, 1])
    assert subset.classes == ("a", "c")
    assert [(one.id, one.label) for one in subset.samples] == [("a/001.png", 0), ("c/001.png", 1)]
    assert list(subset.rows(rows).fingerprints) == [rows.fingerprints[1], rows.fingerprints[7]]
    assert [subset.fingerprint(i) for i in (0, 1)] == list(subset.rows(rows).fingerprints)
    assert subset.image(1).tobytes() == dataset.image(7).tobytes()
