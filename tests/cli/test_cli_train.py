"""`stackkit train` and `run --save` as users call them."""

import json
import os
import zipfile

import numpy as np
import pytest
from support.commands import Command
from support.models import COLOURS_PLUGIN, coloured_folder, coloured_images, features_of, small_registry

from stackkit.api.errors import BundleError
from stackkit.model.saved import load_model

BACKBONES = ("--backbones", "mean-colours,colour-shares")


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))
    return ("--dataset", f"image-folder:root={coloured_folder(tmp_path / 'images', 8)}", *BACKBONES)


def answers(path):
    registry = small_registry()
    images, labels = coloured_images(4, seed=5)
    return load_model(path, registry), features_of(registry, images), labels


def test_train_writes_a_model_that_labels_new_images_and_says_what_to_expect(
    stackkit: Command, images, tmp_path
):
    out = tmp_path / "colours.stackkit"
    done = stackkit("train", *images, "--out", out, "--json", "--licence", "CC0")
    document = done.document
    model, features, labels = answers(out)
    found = model.answer(features)
    assert np.array_equal(found.labels, labels)
    assert document["model"]["path"] == str(out)
    assert document["model"]["aggregator"] == "average-svm"
    (row,) = [each for each in document["results"] if each["name"] == "average-svm"]
    accuracy = model.facts["accuracy"]
    assert accuracy["accuracy"] == row["accuracy"] == document["model"]["accuracy"]["accuracy"]
    assert list(accuracy["interval"]) == row["interval_95"]
    assert accuracy["protocol"] == document["protocol"]["title"]
    assert model.facts["licence"] == "CC0"
    assert model.facts["provenance"]["images"] == 24
    for name in ("log_loss", "ece"):
        figures = document["model"]["calibration"][name]
        assert figures["after"] <= figures["before"]
    assert f"next        stackkit predict {out}" in done.err
    assert "accuracy    " in done.err
    again = stackkit("train", *images, "--out", out)
    assert "exists; choose another name, or pass --overwrite" in again.error


def test_run_saves_the_aggregator_that_is_asked_for(stackkit: Command, images, tmp_path):
    out, report = tmp_path / "m.stackkit", tmp_path / "report"
    plain = stackkit("run", *images, "--json").document
    saved = stackkit(
        "run", *images, "--save", out, "--save-aggregator", "soft-vote", "--out", report, "--json"
    ).document
    assert plain["results"] == saved["results"]
    assert "model" not in plain
    assert json.loads((report / "report.json").read_text())["model"] == saved["model"]
    model, features, labels = answers(out)
    assert model.stack.aggregator.label == "soft-vote"
    assert np.array_equal(model.answer(features).labels, labels)
    other = ("run", *images, "--save", tmp_path / "x.stackkit")
    refused = stackkit(*other, "--save-aggregator", "concat").error
    assert refused.startswith("the model's aggregator must be one of average-svm, soft-vote, got")
    assert "needs --save FILE" in stackkit("run", *images, "--save-aggregator", "concat").error


def test_a_model_that_cannot_be_written_costs_neither_table_nor_report(
    stackkit: Command, images, tmp_path, monkeypatch
):
    def full(*arguments, **options):
        raise BundleError("the disk is full")

    monkeypatch.setattr("stackkit.model.saved.write_bundle", full)
    report = tmp_path / "report"
    done = stackkit("run", *images, "--save", tmp_path / "m.stackkit", "--out", report)
    assert done.code == BundleError.exit_code
    assert done.err.endswith("error: the disk is full\n")
    assert "average-svm" in done.out
    assert "bytes" not in json.loads((report / "report.json").read_text())["model"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "missing/m.stackkit"), "does not exist; create it or choose another"),
        (("--out", "."), "is not a regular file"),
        (("--out", "m.stackkit", "--aggregator", "soft-vote,concat"), "choose one of them"),
        (("--out", "m.stackkit", "--aggregator", "none"), "unknown aggregator"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_any_work(
    stackkit: Command, images, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    assert said in stackkit("train", *images, *arguments).error
    assert not os.path.lexists("m.stackkit")
    assert not list(tmp_path.rglob("*.h5"))


def test_a_dry_run_of_training_writes_nothing(stackkit: Command, images, tmp_path):
    out = tmp_path / "m.stackkit"
    assert stackkit("train", *images, "--out", out, "--dry-run").code == 0
    assert not out.exists()


def test_a_model_whose_plugin_is_not_installed_says_which_one(
    stackkit: Command, images, tmp_path, monkeypatch
):
    from stackkit.api.errors import PluginError
    from stackkit.host.host import load_host
    from stackkit.host.registry import Registry

    out = tmp_path / "m.stackkit"
    assert stackkit("train", *images, "--out", out).code == 0
    with zipfile.ZipFile(out) as archive:
        assert "manifest.json" in archive.namelist()
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", "")
    with pytest.raises(PluginError, match=r"needs the backbone colours/mean-colours of .*--plugin"):
        load_model(out, Registry(host=load_host()))
