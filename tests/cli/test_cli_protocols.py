"""Protocols besides folds: both at once, and images that are held out at random."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from support.commands import HISTOGRAM, Command, chosen, photographs

NETWORK = f"{HISTOGRAM}:bins=2"


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder with an official split of 8 and 4 images of each of two classes."""
    photographs(tmp_path / "pictures" / "train", reed=8, oak=8)
    photographs(tmp_path / "pictures" / "test", reed=4, oak=4)
    return tmp_path / "pictures"


def test_both_protocols_are_measured_from_one_extraction_and_kept_apart(
    stackkit: Command, parts: Path, tmp_path: Path
) -> None:
    given = (*chosen(parts, NETWORK), "--cv", "2", "--aggregator", "soft-vote")
    out = tmp_path / "out"
    outcome = stackkit("run", *given, "--split", "both", "--json", "--out", out)
    document = outcome.document
    official = document.pop("official_split")
    assert json.loads((out / "report.json").read_text()) == document
    assert json.loads((out / "official-split" / "report.json").read_text()) == official
    assert [each["protocol"]["kind"] for each in (document, official)] == [
        "cross-validation", "official-split",
    ]  # fmt: skip
    assert official["folds"] == [{"train": 16, "test": 8}]
    assert "--split both" in document["recipe"]["command"] == official["recipe"]["command"]
    both = "official split; accuracy", "Below, the official split: its figures are not comparable"
    assert [outcome.err.count(text) for text in both] == [1, 1]
    assert outcome.err.count("protocol    ") == 2
    assert (out / "official-split" / "predictions.csv").read_text().count("\n") == 1 + 8
    for split, other in (((), document), (("--split", "official"), official)):
        cv = () if split else ("--cv", "2")
        alone = stackkit(
            "run", *chosen(parts, NETWORK), "--aggregator", "soft-vote", *split, *cv, "--json"
        )
        assert alone.document["results"] == other["results"], "the same figures as alone"
    rows = list(csv.DictReader(StringIO(stackkit("run", *given, "--split", "both", "--csv").out)))
    assert [row["protocol"] for row in rows] == 3 * ["cross-validation"] + 3 * ["official-split"]


def test_both_protocols_need_an_official_split_before_anything_is_computed(
    stackkit: Command, bird_folder: Path, home: Path
) -> None:
    outcome = stackkit("run", *chosen(bird_folder), "--split", "both")
    assert "--split official: the dataset has 0 training and 0 test images; use --cv" in outcome.error
    assert not (home / "features").exists()


def test_a_hold_out_tests_its_share_and_counts_each_image_once(
    stackkit: Command, tmp_path: Path
) -> None:
    root = photographs(tmp_path / "pictures", reed=10, oak=10)
    options = ("run", *chosen(root, NETWORK), "--holdout", "0.3", "--repeats", "2")
    outcome = stackkit(*options, "--json", "--out", tmp_path / "out")
    document = outcome.document
    assert document["folds"] == 2 * [{"train": 14, "test": 6}]
    protocol = document["protocol"]
    assert (protocol["kind"], protocol["holdout"], protocol["repeats"]) == ("holdout", 0.3, 2)
    assert protocol["title"] == "30 % held out at random, seed 0, drawn 2 times"
    assert "draw 1" in outcome.err
    with (tmp_path / "out" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["repeat"], row["fold"]) for row in rows} == {("1", "1"), ("2", "1")}
    assert sum(document["class_sizes"]) == len({row["id"] for row in rows}) < len(rows) == 12
    assert stackkit(*options, "--json").document["results"] == document["results"]


def test_a_class_that_cannot_be_held_out_is_named_before_anything_is_computed(
    stackkit: Command, tmp_path: Path, home: Path
) -> None:
    root = photographs(tmp_path, many=5, lonely=1)
    outcome = stackkit("run", *chosen(root, NETWORK), "--holdout", "0.2")
    assert "1 class has ('lonely') a single usable image; leave the classes out with" in outcome.error
    assert not (home / "features").exists()
