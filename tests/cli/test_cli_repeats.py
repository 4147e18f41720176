"""--repeats: reshuffled folds give scikit-learn's accuracies, and no more images."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_score
from support.commands import Command, chosen, photographs

from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.statistics.intervals import wilson
from stackkit.store.file import FeatureFile
from stackkit.store.metadata import read_contents


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photographs(tmp_path / "pictures", a=9, b=12, c=10)


def test_accuracies_equal_cross_val_score_over_consecutive_seeds(
    stackkit: Command, root: Path, home: Path
) -> None:
    options = ["--shuffle", "--repeats", "3", "--seed", "7", "--cv", "4", "--aggregator", "soft-vote"]
    results = stackkit("run", *chosen(root), *options, "--json").document["results"]
    (path,) = home.glob("features/*/*.h5")
    contents = read_contents(path)
    with FeatureFile(path, contents, writable=False) as file:
        X = np.asfortranarray(file.read())
    y = [sample.label for sample in contents.rows.samples]
    registry = Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))
    for result, name in zip(results, ("linear-svm", "logistic"), strict=False):
        learner = registry.one("learner", f"{name}:seed=7" if name == "linear-svm" else name).create()
        expected = [
            cross_val_score(learner, X, y, cv=StratifiedKFold(4, shuffle=True, random_state=seed))
            for seed in (7, 8, 9)
        ]
        assert result["name"] == name
        assert result["fold_accuracy"] == pytest.approx(np.concatenate(expected), abs=1e-12)
        assert result["accuracy"] == pytest.approx(np.mean(expected), abs=1e-12)


def test_the_interval_counts_images_and_not_predictions(stackkit: Command, root: Path) -> None:
    options = ["--shuffle", "--repeats", "5", "--json"]
    document = stackkit("run", *chosen(root), *options).document
    assert document["n_images"] == 31
    assert len(document["folds"]) == 15
    for result in document["results"]:
        right = sum(
            round(share * fold["test"])
            for share, fold in zip(result["fold_accuracy"], document["folds"], strict=True)
        )
        assert result["interval_95"] == list(wilson(right / 5, 31))


def test_the_protocol_reports_repeats(stackkit: Command, root: Path) -> None:
    outcome = stackkit("run", *chosen(root), "--shuffle", "--repeats", "2", "--json")
    protocol = outcome.document["protocol"]
    assert (protocol["repeats"], protocol["inner_cv"], protocol["refit"]) == (2, 3, True)
    assert protocol["title"].endswith("shuffled, seed 0, repeated 2 times")
    assert "predicted once in each of 2 repeats" in protocol["meaning"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--repeats", "2"], "--repeats 2 would repeat the same folds; add --shuffle"),
        (["--repeats", "0"], "--repeats must be at least 1, got 0"),
        (["--repeats", "2", "--split", "official"], "use --cv with --shuffle, or --holdout"),
        (["--repeats", "2", "--shuffle", "--split", "official"], "cannot be combined"),
    ],
)
def test_invalid_repeats_are_refused(
    stackkit: Command, root: Path, options: list[str], message: str
) -> None:
    outcome = stackkit("run", *chosen(root), *options)
    assert outcome.code == 2
    assert message in outcome.error
