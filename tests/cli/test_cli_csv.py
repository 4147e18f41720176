"""--csv and predictions.csv hold the figures of the report, and what every classifier predicts."""

import csv
import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.commands import Command, chosen
from support.installing import Site
from support.toy_components import TOYS

FLAKY = ["run", "--dataset", "flaky", "--backbones", "toy:number=1,toy:number=2"]


@pytest.fixture(autouse=True)
def toys(site: Site) -> None:
    site.install("toyland", TOYS)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_the_figures_of_the_report(stackkit: Command, tmp_path: Path) -> None:
    outcome = stackkit(*FLAKY, "--csv", "--cv", "2")
    assert outcome.code == 0
    assert "soft-vote" in outcome.err  # people still get the table
    results = stackkit(*FLAKY, "--json", "--cv", "2").document["results"]
    rows = table(outcome.out)
    assert len(rows) == len(results)
    for row, result in zip(rows, results, strict=True):
        assert (row["name"], row["kind"]) == (result["name"], result["kind"])
        assert row["backbones"] == "; ".join(result["backbones"])
        assert [float(row["accuracy"]), float(row["gain"])] == [result["accuracy"], result["gain"]]
        assert [float(row[f"fold_accuracy_{k}"]) for k in (1, 2)] == result["fold_accuracy"]
        ends = [float(row[f"interval_95_{end}"]) for end in ("low", "high")]
        assert ends == result["interval_95"]
    assert "cannot be combined" in stackkit(*FLAKY, "--csv", "--json").error
    assert "--dry-run has none" in stackkit(*FLAKY, "--csv", "--dry-run").error


def test_lists_are_tables_too(stackkit: Command, bird_folder: Path) -> None:
    names = [row["name"] for row in table(stackkit("list-plugins", "--kind", "learner", "--csv").out)]
    assert "logistic" in names
    assert stackkit("extract", *chosen(bird_folder)).code == 0
    (row,) = table(stackkit("features", "ls", "--csv").out)
    assert (row["images"], row["dtype"]) == ("18", "float32")
    assert stackkit("features", "ls", "--csv", "--json").code == 2


def test_predictions_give_the_accuracies_of_the_report(stackkit: Command, tmp_path: Path) -> None:
    options = ["--baseline", "logistic", "--aggregator", "soft-vote", "--repeats", "2", "--shuffle"]
    document = stackkit(*FLAKY, *options, "--out", tmp_path, "--json").document
    rows = table((tmp_path / "predictions.csv").read_text(encoding="utf-8"))
    assert len(rows) == 72
    titles = [name.removesuffix(": prediction") for name in rows[0] if name.endswith(": prediction")]
    assert titles == [
        "logistic on toy:number=1 (baseline)",
        "logistic on toy:number=2 (baseline)",
        "logistic on toy:number=1 (learner)",
        "logistic on toy:number=2 (learner)",
        "soft-vote on all 2",
    ]
    places = [(repeat, fold) for repeat in "12" for fold in "123"]
    assert sorted({(row["repeat"], row["fold"]) for row in rows}) == places
    for title, result in zip(titles, document["results"], strict=True):
        for place, accuracy in zip(places, result["fold_accuracy"], strict=True):
            found = [row for row in rows if (row["repeat"], row["fold"]) == place]
            assert np.mean([row[f"{title}: prediction"] == row["label"] for row in found]) == accuracy
    with h5py.File(tmp_path / "probabilities.h5") as file:
        classes, ids = list(file["classes"].asstr()), list(file["sample_ids"].asstr())
        fold, title = file["fold_4"], titles[3]  # repeat 2, fold 2
        found = [row for row in rows if (row["repeat"], row["fold"]) == ("2", "2")]
        for row, image, probabilities in zip(found, fold["test_rows"], fold["test"][1], strict=True):
            assert row["id"] == ids[image]
            predicted = classes.index(row[f"{title}: prediction"])
            assert float(row[f"{title}: probability"]) == probabilities[predicted]
    assert {row["soft-vote on all 2: probability"] for row in rows} == {""}


def test_predictions_that_cannot_be_written_do_not_cost_the_report(
    stackkit: Command, tmp_path: Path
) -> None:
    (tmp_path / "predictions.csv").mkdir()
    assert "predictions.csv exists" in stackkit(*FLAKY, "--out", tmp_path).error
    outcome = stackkit(*FLAKY, "--out", tmp_path, "--overwrite")
    assert outcome.code == 0
    assert "predictions.csv cannot be written" in outcome.err
    assert (tmp_path / "report.json").exists()
