"""probabilities.h5 holds exactly what was used, or does not exist."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from support.commands import Command
from support.installing import Site
from support.machines import small_disk
from support.toy_components import TOYS

from stackkit.evaluation.features import Features
from stackkit.evaluation.folds import inner_folds
from stackkit.evaluation.probabilities import out_of_fold
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.store.file import FeatureFile
from stackkit.store.metadata import read_contents

LABELS = ["toy:number=1", "toy:number=2"]
FLAKY = ["--dataset", "flaky", "--backbones", ",".join(LABELS)]
AGGREGATORS = ["--aggregator", "soft-vote,average-svm,witness"]


@pytest.fixture(autouse=True)
def witness(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder where the aggregator `witness` saves what it receives."""
    site.install("toyland", TOYS)
    (tmp_path / "witness").mkdir()
    monkeypatch.setenv("WITNESS", str(tmp_path / "witness"))
    return tmp_path / "witness"


def ran(stackkit: Command, out: Path, *options: str) -> dict[str, Any]:
    return stackkit("run", *FLAKY, *AGGREGATORS, *options, "--out", out, "--json").document


def features(home: Path, label: str) -> np.ndarray:
    for path in home.glob("features/*/*.h5"):
        contents = read_contents(path)
        if contents.provenance[0]["component"]["label"] == label:
            with FeatureFile(path, contents, writable=False) as file:
                return file.read()
    raise AssertionError(label)


def folds(file: h5py.File) -> list[h5py.Group]:
    return [file[name] for name in sorted(file) if name.startswith("fold_")]


def test_images_classes_and_rows_are_those_of_the_run(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", "4")
    document = ran(stackkit, tmp_path / "out")
    with h5py.File(tmp_path / "out" / "probabilities.h5") as file:
        rows = [i for i in range(36) if i != 4]
        assert list(file["sample_ids"].asstr()) == [f"s{i:02}" for i in rows]
        assert file["labels"][:].tolist() == [i % 3 for i in rows]
        assert list(file["classes"].asstr()) == ["a", "b", "c"]
        assert (file.attrs["learner"], list(file.attrs["backbones"])) == ("logistic", LABELS)
        sizes = [{"train": len(f["train_rows"]), "test": len(f["test_rows"])} for f in folds(file)]
        assert sizes == document["folds"]
        tested = np.concatenate([fold["test_rows"][:] for fold in folds(file)])
        assert sorted(tested) == list(range(35))
        for fold in folds(file):
            assert not set(fold["train_rows"][:]) & set(fold["test_rows"][:])


@pytest.mark.parametrize("options", [(), ("--repeats", "2", "--shuffle"), ("--jobs", "1")])
def test_predictions_give_the_accuracies_of_the_report(
    stackkit: Command, tmp_path: Path, options: tuple[str, ...]
) -> None:
    results = ran(stackkit, tmp_path / "out", *options)["results"]
    with h5py.File(tmp_path / "out" / "probabilities.h5") as file:
        labels = file["labels"][:]
        for number, result in enumerate(results):
            predicted = [fold[f"predicted/{number:03}"] for fold in folds(file)]
            assert {each.attrs["classifier"] for each in predicted} == {result["name"]}
            assert list(predicted[0].attrs["backbones"]) == result["backbones"]
            accuracies = [
                float(np.mean(each[:] == labels[fold["test_rows"][:]]))
                for each, fold in zip(predicted, folds(file), strict=True)
            ]
            assert accuracies == result["fold_accuracy"]
        assert all(len(fold["predicted"]) == len(results) for fold in folds(file))


@pytest.mark.parametrize(("option", "test"), [("--refit", "test"), ("--no-refit", "test_averaged")])
def test_probabilities_are_those_that_aggregators_received(
    stackkit: Command, tmp_path: Path, witness: Path, option: str, test: str
) -> None:
    ran(stackkit, tmp_path / "out", option)
    received = [np.load(path) for path in witness.iterdir()]
    with h5py.File(tmp_path / "out" / "probabilities.h5") as file:
        assert len(received) == len(folds(file)) == 3
        for fold in folds(file):
            (one,) = (one for one in received if np.array_equal(one["known"], fold["out_of_fold"]))
            assert np.array_equal(one["labels"], file["labels"][:][fold["train_rows"]])
            assert np.array_equal(one["new"], fold[test])
            assert one["new"].dtype == fold[test].dtype
            assert ("test_averaged" in fold) == (option == "--no-refit")


def test_probabilities_are_those_of_a_learner_not_fitted_on_the_rows(
    stackkit: Command, tmp_path: Path, home: Path
) -> None:
    ran(stackkit, tmp_path / "out", "--inner-cv", "4", "--seed", "5")
    registry = Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))
    with h5py.File(tmp_path / "out" / "probabilities.h5") as file:
        labels = file["labels"][:]
        for fold in folds(file):
            train, test = fold["train_rows"][:], fold["test_rows"][:]
            inner = inner_folds(labels[train], 4, seed=5)
            for number, label in enumerate(LABELS):
                matrix = Features.from_matrix(label, features(home, label))

                def predicted(
                    known: np.ndarray, new: np.ndarray, matrix: Features = matrix
                ) -> np.ndarray:
                    learner = registry.one("learner", "logistic").create()
                    learner.fit(matrix.take(known), labels[known])
                    probabilities: np.ndarray = learner.predict_proba(matrix.take(new))
                    return probabilities

                parts = [predicted(train[part.train], train[part.test]) for part in inner]
                assert np.allclose(fold["test"][number], predicted(train, test), atol=1e-6)
                assert np.allclose(fold["out_of_fold"][number], out_of_fold(parts, inner), atol=1e-6)


def test_without_probabilities_only_predictions_are_written(stackkit: Command, tmp_path: Path) -> None:
    only = ["--learner", "linear-svm", "--aggregator", "concat"]
    assert stackkit("run", *FLAKY, *only, "--out", tmp_path / "out").code == 0
    with h5py.File(tmp_path / "out" / "probabilities.h5") as file:
        assert set(file["fold_0"]) == {"train_rows", "test_rows", "predicted"}


def test_a_full_disk_costs_only_this_file(stackkit: Command, tmp_path: Path) -> None:
    repeated = ("--shuffle", "--repeats", "4")
    expected = ran(stackkit, tmp_path / "roomy", *repeated)
    assert (tmp_path / "roomy" / "probabilities.h5").stat().st_size > 100_000
    with small_disk(tmp_path / "disk", "80k") as disk:
        outcome = stackkit("run", *FLAKY, *AGGREGATORS, *repeated, "--out", disk, "--json")
        assert outcome.document["results"] == expected["results"]
        messages = [line for line in outcome.err.splitlines() if "probabilities.h5 cannot be" in line]
        assert len(messages) == 1
        assert "No space left on device" in messages[0]
        names = {path.name for path in disk.iterdir()}
        assert names == {"report.json", "predictions.csv", "outcomes.npz"}


def test_a_failed_file_leaves_no_older_one_beside_the_new_report(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ran(stackkit, out)
    (out / "probabilities.h5").unlink()
    (out / "probabilities.h5").mkdir()  # which no file can replace
    outcome = stackkit("run", *FLAKY, *AGGREGATORS, "--out", out, "--overwrite")
    assert outcome.code == 0
    assert "probabilities.h5 cannot be written" in outcome.err
    (out / "probabilities.h5").rmdir()
    (out / "probabilities.h5").write_bytes(b"of an older run")

    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stackkit.report.probability_file.h5py", SimpleNamespace(File=full))
    assert stackkit("run", *FLAKY, "--out", out, "--overwrite").code == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"report.json", "predictions.csv", "outcomes.npz"}


def test_a_failed_run_leaves_the_folder_unchanged(stackkit: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    failing = ["run", *FLAKY, "--aggregator", "soft-vote,unlucky", "--out", out]
    assert stackkit(*failing).code == 4
    assert list(out.iterdir()) == []
    ran(stackkit, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert stackkit(*failing, "--overwrite").code == 4
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_leftovers_of_a_killed_run_are_removed_by_the_next(stackkit: Command, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".probabilities.h5.123").write_bytes(b"half")
    ran(stackkit, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"report.json", "predictions.csv", "outcomes.npz", "probabilities.h5"}


def test_probabilities_of_an_earlier_run_are_replaced_only_with_overwrite(
    stackkit: Command, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran(stackkit, out)
    (out / "report.json").unlink()
    (out / "predictions.csv").unlink()
    outcome = stackkit("run", *FLAKY, "--out", out)
    assert outcome.code == 2
    assert "probabilities.h5 exists; choose another --out, or pass --overwrite" in outcome.error
    assert stackkit("run", *FLAKY, "--out", out, "--dry-run").code == 2
    assert stackkit("run", *FLAKY, "--out", out, "--overwrite").code == 0
    with h5py.File(out / "probabilities.h5") as file:
        assert len(file["fold_0/predicted"]) == 7
