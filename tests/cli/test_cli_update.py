"""`stackkit train --update` as users call it: new images and new classes for a trained model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

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

from stackkit.bundle import open_bundle
from stackkit.model.saved import load_model, save_model

QUICK = ("--backbones", "mean-colours,colour-shares", "--baseline", "none")
UPDATABLE = (
    *QUICK,
    "--learner",
    "ridge:updatable=true,alpha=1,temperature=1",
    "--aggregator",
    "soft-vote",
)


@pytest.fixture(autouse=True)
def plugin(stackkit, monkeypatch):
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))


def dataset(folder: Path) -> tuple[str, str]:
    return "--dataset", f"image-folder:root={folder}"


def divided(root: Path, *, new_class: bool) -> tuple[Path, Path, Path]:
    """Folders with all images, with those of the first training, and with those of the update."""
    everything = coloured_folder(root / "all", 8)
    old, new = root / "old", root / "new"
    for number, path in enumerate(sorted(everything.rglob("*.png"))):
        later = path.parent.name == "red" if new_class else number % 2
        target = (new if later else old) / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return everything, old, new


def birds(cub_root: Path, root: Path, *, new_class: bool) -> tuple[Path, Path, Path]:
    """The same folders of 12 photographs each of 20 species, of which 5 are new."""
    everything, old, new = (root / name for name in ("all", "old", "new"))
    for at, species in enumerate(sorted((cub_root / "images").iterdir())):
        for number, photograph in enumerate(sorted(species.iterdir())[:12]):
            later = at >= 15 if new_class else number % 2
            for folder in (everything, new if later else old):
                (folder / species.name).mkdir(parents=True, exist_ok=True)
                (folder / species.name / photograph.name).symlink_to(photograph)
    return everything, old, new


def state_of(path: Path):
    with open_bundle(path) as bundle:
        return bundle.state("learner-0-0")


def answers(path: Path):
    model = load_model(path, small_registry())
    return model, model.answer(features_of(small_registry(), coloured_images(4, seed=5)[0]))


@pytest.mark.parametrize("new_class", [False, True], ids=["more images", "a new class"])
def test_an_updated_model_is_the_one_of_all_images(stackkit: Command, tmp_path, new_class):
    everything, old, new = divided(tmp_path, new_class=new_class)
    out, updated, whole = (tmp_path / f"{name}.stackkit" for name in ("old", "updated", "whole"))
    assert stackkit("train", *dataset(old), *UPDATABLE, "--out", out).code == 0
    done = stackkit("train", "--update", out, *dataset(new), "--out", updated, "--json")
    assert stackkit("train", *dataset(everything), *UPDATABLE, "--out", whole).code == 0
    (found, ours), (_, theirs) = answers(updated), answers(whole)
    assert np.allclose(ours.votes, theirs.votes, atol=1e-6)
    assert np.array_equal(ours.labels, theirs.labels)
    document, record = done.document, done.document["update"]
    assert document["classes"] == ["blue", "green", "red"]
    assert record["images"] == (8 if new_class else 12)
    assert record["new_classes"] == (["red"] if new_class else [])
    assert found.facts["provenance"]["images"] == 24
    assert record["effects"]["reliability"] == ("dropped" if new_class else "updated")
    assert (found.facts["accuracy"] is None) == new_class
    assert len(found.reliability.confidence) == (0 if new_class else 24)
    if new_class:
        assert record["before"] is None
        assert record["figures"]["novel_new"] > 0.5
    else:
        assert record["before"]["images"] == 12
        assert found.facts["accuracy"]["protocol"].endswith(", before updates with 12 images")
    shown = stackkit("show", updated).out
    assert "updated " in shown
    assert ("new: red" in shown) == new_class


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["ridge:updatable=true,alpha=100", "lda:updatable=true"])
@pytest.mark.parametrize("new_class", [False, True], ids=["other half", "5 new species"])
def test_an_updated_model_of_real_birds_is_the_one_of_all_images(
    stackkit: Command, cub_root, shared_home, monkeypatch, tmp_path, learner, new_class
):
    monkeypatch.setenv("STACKKIT_HOME", str(shared_home))
    everything, old, new = birds(cub_root, tmp_path, new_class=new_class)
    out, updated, whole = (tmp_path / f"{name}.stackkit" for name in ("old", "updated", "whole"))
    how = ("--backbones", "efficientnet-lite0", "--learner", learner, "--aggregator", "soft-vote")
    assert stackkit("train", *dataset(old), *how, "--baseline", "none", "--out", out).code == 0
    done = stackkit("train", "--update", out, *dataset(new), "--out", updated, "--json").document
    assert stackkit("train", *dataset(everything), *how, "--out", whole).code == 0
    assert done["update"]["images"] == (60 if new_class else 120)
    ours, theirs = state_of(updated), state_of(whole)
    for name in ("coefficients", "intercepts"):
        scale = np.abs(theirs.arrays[name]).max()
        # Sums of the same products in another order, before one solution of a (d, d) system.
        assert np.abs(ours.arrays[name] - theirs.arrays[name]).max() < 1e-9 * scale
    assert done["update"]["effects"]["calibration"] == ("kept" if new_class else "updated")


def test_the_commands_that_use_a_model_take_an_updated_one(stackkit: Command, tmp_path):
    _, old, new = divided(tmp_path, new_class=True)
    out = tmp_path / "m.stackkit"
    assert stackkit("train", *dataset(old), *UPDATABLE, "--out", out, "--with-examples").code == 0
    done = stackkit("train", "--update", out, *dataset(new), "--overwrite")
    assert done.code == 0, done.err
    for line in ("added       8 images, with 1 new class(es): red", "dropped     expected accuracy"):
        assert line in done.out
    image = next(new.rglob("*.png"))
    (record,) = json.loads(stackkit("predict", out, image, "--json").out)["predictions"]
    assert record["label"] == "red"
    assert not record["novel"]
    refused = stackkit("predict", out, image, "--target-precision", "0.9").error
    assert "updated with new classes" in refused
    assert stackkit("explain", out, image, "--out", tmp_path / "page.html").code == 0
    assert stackkit("export", out, "--out", tmp_path / "m.onnx").code == 0
    again = stackkit("train", "--update", out, *dataset(new), "--overwrite").error
    assert "fitted on all 8 images of this dataset already" in again


def test_images_that_the_model_has_are_counted_and_not_added_again(stackkit: Command, tmp_path):
    everything, old, _ = divided(tmp_path, new_class=False)
    out = tmp_path / "m.stackkit"
    assert stackkit("train", *dataset(old), *UPDATABLE, "--out", out).code == 0
    before = out.read_bytes()
    exists = stackkit("train", "--update", out, *dataset(everything)).error
    assert "exists; choose another name, or pass --overwrite" in exists
    assert out.read_bytes() == before
    done = stackkit("train", "--update", out, *dataset(everything), "--overwrite", "--json").document
    assert (done["update"]["images"], done["update"]["known_images"]) == (12, 12)
    shown = stackkit("show", out, "--json").document
    assert shown["updatable"] == {"images": 24}
    assert len(shown["updates"]) == 1


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (("logistic", "soft-vote"), "learner logistic cannot be updated"),
        (("ridge", "soft-vote"), "learner ridge of the model has kept no statistics"),
        (("ridge:updatable=true", "average-svm"), "aggregator average-svm cannot be updated"),
    ],
)
def test_a_model_that_cannot_be_updated_says_how_to_train_one_that_can(
    stackkit: Command, tmp_path, how, said
):
    out = tmp_path / "m.stackkit"
    save_model(small_model(small_registry(), *how), out)
    images = dataset(coloured_folder(tmp_path / "images", 1))
    refused = stackkit("train", "--update", out, *images, "--overwrite").error
    assert said in refused
    assert "ridge:updatable=true" in refused


def test_settings_of_the_model_cannot_be_given_again(stackkit: Command, tmp_path):
    model = small_model(small_registry(), "ridge:updatable=true", "soft-vote")
    out, new = tmp_path / "m.stackkit", coloured_folder(tmp_path / "new", 1)
    save_model(replace(model, facts={"pixels": {"orientation": "exif"}}), out)
    update = ("train", "--update", out, *dataset(new), "--overwrite")
    for given in (("--learner", "lda"), ("--cv", "5"), ("--recipe", "fast"), ("--with-examples",)):
        assert f"{given[0]} cannot be combined with --update" in stackkit(*update, *given).error
    (new / "red").rename(new / "Blue_")
    assert "the model has no class 'Blue_', but 'blue'" in stackkit(*update).error
    (new / "Blue_").rename(new / "red")
    turned = f"image-folder:root={new},orientation=ignore"
    assert "set orientation=exif" in stackkit(*update[:3], "--dataset", turned, "--overwrite").error
    assert "--out is required" in stackkit("train", *dataset(new)).error
