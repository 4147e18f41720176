"""`stackkit train` and `run --save` as users call them."""

import json
import os
import resource
import zipfile

import numpy as np
import pytest
from support.commands import Command
from support.models import (
    COLOURS_PLUGIN,
    coloured_folder,
    coloured_images,
    features_of,
    small_model,
    small_registry,
)

from stackkit.api.errors import PluginError
from stackkit.api.paths import features_dir
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.saved import load_model, save_model

QUICK = ("--backbones", "mean-colours,colour-shares", "--learner", "ridge", "--baseline", "none")


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))
    return ("--dataset", f"image-folder:root={coloured_folder(tmp_path / 'images', 8)}", *QUICK)


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
    options = ("--save-aggregator", "soft-vote", "--with-examples", "--licence", "CC0")
    saved = stackkit("run", *images, "--save", out, *options, "--out", report, "--json").document
    assert plain["results"] == saved["results"]
    assert "model" not in plain
    assert json.loads((report / "report.json").read_text())["model"] == saved["model"]
    model, features, labels = answers(out)
    assert model.stack.aggregator.label == "soft-vote"
    assert model.examples
    assert len(model.examples.thumbnails) == 24
    assert model.facts["licence"] == "CC0"
    assert np.array_equal(model.answer(features).labels, labels)
    other = ("run", *images, "--save", tmp_path / "x.stackkit")
    refused = stackkit(*other, "--save-aggregator", "geometric-vote").error
    assert refused.startswith(
        "the model's aggregator must be one of average-svm, soft-vote, concat, got"
    )
    for without in (options[:2], ["--with-weights"], ["--with-examples"], options[-2:]):
        assert f"{without[0]} needs --save FILE" in stackkit("run", *images, *without).error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "missing/m.stackkit"), "does not exist; create it or choose another"),
        (("--out", "."), "is not a regular file"),
        (("--out", "m.stackkit", "--aggregator", "soft-vote,concat"), "choose one of them"),
        (("--out", "m.stackkit", "--aggregator", "soft-vote,concat", "--dry-run"), "choose one of them"),
        (("--out", "m.stackkit", "--aggregator", "none"), "unknown aggregator"),
        (
            ("--out", "m.stackkit", "--with-weights"),
            "does not say which file has its weights",
        ),
    ],
)
def test_what_cannot_be_saved_is_refused_before_any_work(
    stackkit: Command, images, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    assert said in stackkit("train", *images, *arguments).error
    assert not os.path.lexists("m.stackkit")
    assert not list(features_dir().rglob("*.h5"))


def test_a_model_that_cannot_be_written_costs_neither_the_table_nor_the_report(
    stackkit: Command, images, tmp_path
):
    out, report = tmp_path / "m.stackkit", tmp_path / "report"
    assert stackkit("extract", *images[:4]).code == 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))  # the same error as a full disk
    try:
        done = stackkit("run", *images, "--save", out, "--with-examples", "--out", report)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "m.stackkit" in done.err.splitlines()[-1]
    assert "average-svm" in done.out
    assert "stackkit predict" not in done.err
    assert json.loads((report / "report.json").read_text())["results"]
    assert not out.exists()
    same = stackkit("run", *images, "--save", report, "--out", report, "--overwrite")
    assert same.error == f"--out is a folder and --save a file, got {report} for both"


def test_training_on_crops_says_that_new_images_must_be_cropped_too(stackkit: Command, images, tmp_path):
    files = sorted((tmp_path / "images").rglob("*.png"))
    rows = [f"{each},{each.parent.name},4,4,40,30" for each in files]
    table = tmp_path / "boxes.csv"
    table.write_text("\n".join(["path,label,x,y,width,height", *rows]), encoding="utf-8")
    small = (*QUICK, "--aggregator", "soft-vote")
    cropped = ("--dataset", f"csv:file={table},crop=true")
    done = stackkit("train", *cropped, *small, "--out", tmp_path / "m.stackkit")
    assert "cropped     training images were cropped to their boxes" in done.err


def test_a_dry_run_of_training_writes_nothing(stackkit: Command, images, tmp_path):
    out = tmp_path / "m.stackkit"
    assert stackkit("train", *images, "--out", out, "--dry-run").code == 0
    assert not out.exists()


def test_a_model_whose_plugin_is_not_installed_says_which_one(tmp_path, monkeypatch):
    out = tmp_path / "m.stackkit"
    save_model(small_model(), out)
    with zipfile.ZipFile(out) as archive:
        assert "manifest.json" in archive.namelist()
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", "")
    with pytest.raises(PluginError, match=r"needs the backbone colours/mean-colours of .*--plugin"):
        load_model(out, Registry(host=load_host()))
