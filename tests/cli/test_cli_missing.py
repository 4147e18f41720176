"""Missing rows, classes and numbers: all classifiers use the same rows, and the report notes it."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from support.commands import Command, chosen, flip_row, photographs
from support.installing import Site
from support.toy_components import TOYS

from stackkit.host.host import load_host
from stackkit.store.metadata import read_contents
from stackkit.store.rows import checksum, write_rows

TWO = "toy:number=1,toy:number=2"


@pytest.fixture(autouse=True)
def toys(site: Site) -> None:
    site.install("toyland", TOYS)


@pytest.fixture
def aggregators() -> str:
    """The names of all built-in aggregators."""
    own = load_host(environ={"STACKKIT_PLUGINS": ""}).components
    names = [component.spec.name for component in own if component.kind == "aggregator"]
    return ",".join([*names, "average-svm:fit_on=out-of-fold"])


def flaky(backbones: str = TWO) -> list[str]:
    return ["--dataset", "flaky", "--backbones", backbones]


def stored(home: Path, label: str) -> Path:
    """The feature file of a backbone."""
    (path,) = (
        path
        for path in home.glob("features/*/*.h5")
        if read_contents(path).provenance[0]["component"]["label"] == label
    )
    return path


def test_rows_missing_for_one_backbone_are_used_by_none_and_the_report_notes_it(
    stackkit: Command, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stackkit("extract", *flaky())
    flip_row(stored(home, "toy:number=1"), 3)
    flip_row(stored(home, "toy:number=2"), 8)
    monkeypatch.setenv("BROKEN", "3 8")
    document = stackkit("evaluate", *flaky(), "--out", tmp_path / "out", "--json").document
    assert document["n_images"] == 34
    assert {failed["id"] for failed in document["failed_images"]} == {"s03", "s08"}
    assert (
        "Only images with features from every backbone are used "
        "(missing: 1 for toy:number=1, 1 for toy:number=2)." in document["notes"]
    )
    with h5py.File(tmp_path / "out" / "probabilities.h5") as file:
        ids = list(file["sample_ids"].asstr())
    assert ids == [f"s{i:02}" for i in range(36) if i not in (3, 8)]


def test_rows_missing_for_all_backbones_are_reported_as_failed_images_only(
    stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", "3")
    document = stackkit("run", *flaky(), "--json").document
    assert document["n_images"] == 35
    assert not [note for note in document["notes"] if "every backbone" in note]


def test_damaged_rows_of_readable_images_are_recomputed(stackkit: Command, home: Path) -> None:
    stackkit("extract", *flaky())
    before = stackkit("evaluate", *flaky(), "--json").document["results"]
    flip_row(stored(home, "toy:number=1"), 3)
    outcome = stackkit("evaluate", *flaky())
    assert outcome.code == 8
    assert "1 images have no features of toy:number=1; run `stackkit extract`" in outcome.error
    document = stackkit("run", *flaky(), "--json").document
    assert document["extraction"]["toy:number=1"] == {"computed": 1, "reused": 35}
    assert document["results"] == before


def test_a_class_without_training_images_keeps_its_column_and_is_noted(
    stackkit: Command, tmp_path: Path, aggregators: str
) -> None:
    photographs(tmp_path / "pictures" / "train", a=5, b=6, d=1)
    photographs(tmp_path / "pictures" / "test", a=3, b=3, c=2, d=2)
    arguments = [*chosen(tmp_path / "pictures", TWO), "--split", "official", "--aggregator", aggregators]
    document = stackkit("run", *arguments, "--out", tmp_path / "out", "--json").document
    assert document["folds"] == [{"train": 12, "test": 10}]
    assert any("1 class(es) have test images but no training images" in n for n in document["notes"])
    with h5py.File(tmp_path / "out" / "probabilities.h5") as file:
        assert list(file["classes"].asstr()) == ["a", "b", "c", "d"]
        fold = file["fold_0"]
        assert fold["test"].shape == (2, 10, 4)
        assert fold["out_of_fold"].shape == (2, 12, 4)
        for probabilities in (fold["test"][:], fold["out_of_fold"][:]):
            assert not probabilities[..., 2].any()
            assert np.allclose(probabilities.sum(axis=2), 1, atol=1e-6)
        assert all(2 not in predicted[:] for predicted in fold["predicted"].values())


def test_a_class_with_one_image_is_named(stackkit: Command, tmp_path: Path) -> None:
    outcome = stackkit("run", *chosen(photographs(tmp_path, many=5, lonely=1), TWO))
    assert outcome.code == 8
    assert "1 class has fewer usable images than the 3 folds: 'lonely' (1)" in outcome.error


def test_a_class_that_loses_images_to_reading_errors_is_named_with_the_reason(
    stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", " ".join(str(i) for i in range(1, 32, 3)))
    outcome = stackkit("run", *flaky())
    assert outcome.code == 8
    assert "1 class has fewer usable images than the 3 folds: 'b' (1)" in outcome.error
    assert "11 image(s) could not be read, first s01" in outcome.error


@pytest.mark.parametrize("backbones", ["flat", f"flat,{TWO}"])
def test_constant_features_give_chance_accuracy_and_a_note(
    stackkit: Command, backbones: str, aggregators: str
) -> None:
    document = stackkit("run", *flaky(backbones), "--aggregator", aggregators, "--json").document
    assert "All images have the same features, so nothing can be learned: flat." in document["notes"]
    for result in document["results"]:
        if result["backbones"] == ["flat"]:
            assert result["accuracy"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused_with_the_name_of_the_image(
    stackkit: Command, home: Path, value: float
) -> None:
    stackkit("extract", *flaky())
    path = stored(home, "toy:number=2")
    contents = read_contents(path)
    wrong = np.full((1, 6), value, dtype=np.float32)
    with path.open("r+b", buffering=0) as file:  # the store refuses to write it
        write_rows(file, contents.layout, 7, [checksum(contents.fingerprints[7], wrong[0])], wrong)
    outcome = stackkit("evaluate", *flaky())
    assert outcome.code == 8
    assert "toy:number=2 has NaN or infinite features, first for image s07; " in outcome.error
    assert f"delete {path} and rerun `stackkit extract`" in outcome.error
    path.unlink()
    assert stackkit("run", *flaky()).code == 0


def test_one_backbone_is_stacked_alone(stackkit: Command, aggregators: str) -> None:
    document = stackkit("run", *flaky("toy"), "--aggregator", aggregators, "--json").document
    kinds = [result["kind"] for result in document["results"]]
    assert kinds[:2] == ["baseline", "learner"]
    assert set(kinds[2:]) == {"aggregator"}
    by_name = {result["name"]: result["fold_accuracy"] for result in document["results"]}
    assert by_name["soft-vote"] == by_name["majority-vote"] == by_name["logistic"]
    assert not [note for note in document["notes"] if "best single backbone" in note]


def test_many_backbones_are_stacked(stackkit: Command, aggregators: str) -> None:
    many = ",".join(f"toy:number={number}" for number in range(1, 17))
    options = ["--aggregator", aggregators, "--baseline", "none", "--cv", "2"]
    outcome = stackkit("run", *flaky(many), *options, "--json")
    results = outcome.document["results"]
    assert len(results) == 16 + len(aggregators.split(","))
    assert all(len(result["backbones"]) == 16 for result in results[16:])


def test_an_aggregator_given_twice_is_one_row(stackkit: Command) -> None:
    twice = ["--aggregator", "soft-vote,soft-vote", "--aggregator", "average-svm:fit_on=in-sample"]
    document = stackkit(
        "run", *flaky("toy"), *twice, "--aggregator", "average-svm,soft-vote", "--json"
    ).document
    names = [result["name"] for result in document["results"] if result["kind"] == "aggregator"]
    assert names == ["soft-vote", "average-svm"]
