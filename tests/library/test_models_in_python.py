"""Train, save, load and label images from Python."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.models import coloured, coloured_folder, coloured_images

import stackkit
from stackkit.api.errors import ImageError, StackkitError, UsageError
from stackkit.library.components import dataset_text, installed

BACKBONES = ["mean-colours", "colour-shares"]


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> stackkit.TrainedModel:
    """A model, saved to a file."""
    file = tmp_path_factory.mktemp("models") / "colours.stackkit"
    return stackkit.train(
        folder, backbones=BACKBONES, baseline=[], out=file, licence="CC0", with_examples=True
    )


@pytest.fixture(scope="module")
def model(trained: stackkit.TrainedModel) -> stackkit.LoadedModel:
    """The model from the file."""
    assert trained.path is not None
    return stackkit.load(trained.path)


def test_features_have_labels_names_and_classes(folder: Path) -> None:
    found = stackkit.features(str(folder), "mean-colours")
    assert (found.X.shape, found.X.dtype, found.X.flags.c_contiguous) == ((24, 48), np.float32, True)
    assert found.classes == ("blue", "green", "red")
    assert [found.classes[label] for label in found.y] == [name.split("/")[0] for name in found.ids]
    frame = found.to_dataframe()
    assert list(frame.columns[:4]) == ["id", "label", "split", "x0"]
    assert len(frame.columns) == 3 + 48
    assert "<td>blue</td><td>8</td>" in found._repr_html_()
    assert repr(found) == "<FeatureTable of mean-colours: 24 images, 48 features>"
    with pytest.raises(UsageError, match=r"exactly one backbone; .* selects 2"):
        stackkit.features(folder, "mean-colours,colour-shares")


def test_images_that_cannot_be_read_have_no_features_but_a_reason(tmp_path: Path) -> None:
    folder = coloured_folder(tmp_path, 2)
    (folder / "red" / "004.png").write_bytes(b"")
    found = stackkit.features(folder, "mean-colours")
    assert [each.id for each in found.failed] == ["red/004.png"]
    assert len(found) == 5
    with pytest.raises(ImageError, match="004"):
        stackkit.features(folder, "mean-colours", strict=True)


def test_a_run_returns_its_report_and_writes_what_the_command_writes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = stackkit.run(
        folder,
        backbones="mean-colours",
        out=tmp_path,
        html=False,
        save=tmp_path / "m.stackkit",
        licence="CC0",
    )
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written == report.document()
    assert written["model"]["bytes"] == (tmp_path / "m.stackkit").stat().st_size
    assert [each.name for each in report.results] == [
        "linear-svm",
        "logistic",
        "average-svm",
        "soft-vote",
        "concat",
    ]
    assert list(report.to_dataframe()["name"]) == [each.name for each in report.results]
    assert str(report).startswith(f"image-folder:root={folder}: 24 images, 3 classes")
    assert report.model is not None
    assert stackkit.load(tmp_path / "m.stackkit").info["licence"] == "CC0"
    assert capsys.readouterr() == ("", "")
    with pytest.raises(UsageError, match="exists"):
        stackkit.run(folder, backbones="mean-colours", out=tmp_path)
    with pytest.raises(StackkitError, match="exists"):
        stackkit.run(folder, backbones="mean-colours", save=tmp_path / "m.stackkit")


def test_a_report_shows_itself_in_a_notebook_and_is_written_as_a_page(
    trained: stackkit.TrainedModel, tmp_path: Path, home: Path
) -> None:
    page = trained.report.save_html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert page == trained.report.html()
    assert page.startswith("<!doctype html>")
    assert "data:image/jpeg;base64," in page
    assert trained.report._repr_html_().startswith("<iframe ")
    with pytest.raises(UsageError, match="cannot be written"):
        trained.report.save_html(tmp_path / "missing" / "report.html")
    written = [json.loads(each.read_text()) for each in (home / "runs").glob("*/report.json")]
    assert trained.report.document() in written


def test_a_loaded_model_gives_the_very_answers_of_the_trained_one(
    trained: stackkit.TrainedModel, model: stackkit.LoadedModel
) -> None:
    report, before = trained
    images, labels = coloured_images(3, seed=5)
    found = model.predict(images)
    assert list(found) == list(before.predict(images))
    assert found.labels == [model.classes[label] for label in labels]
    (row,) = (each for each in report.results if each.name == "average-svm")
    assert model.expected_accuracy is not None
    assert model.expected_accuracy.accuracy == row.accuracy
    assert model.info["licence"] == "CC0"
    assert report.document()["model"]["path"] == str(trained.path)
    assert model.info["examples"]["images"] == 24
    assert str(model.expected_accuracy) in repr(model)


def test_paths_arrays_and_pillow_images_get_the_same_answer(
    model: stackkit.LoadedModel, tmp_path: Path
) -> None:
    image = coloured(1, seed=77)
    image.save(path := tmp_path / "new.png")
    for given in (path, str(path), path.read_bytes(), image, np.asarray(image), np.asarray(image)[None]):
        (found,) = model.predict(given)
        (expected,) = model.predict([image])
        assert (found.label, found.probability) == (expected.label, expected.probability)
    assert model.predict(path)[0].source == str(path)
    coloured(2, seed=78).save(tmp_path / "other.png")
    for several in (tmp_path, str(tmp_path / "*.png"), sorted(tmp_path.iterdir())):
        found = model.predict(several)
        assert [Path(each.source).name for each in found] == ["new.png", "other.png"]
    assert len(model.predict([])) == 0


def test_each_call_has_its_own_top_and_threshold(model: stackkit.LoadedModel) -> None:
    image = Image.new("RGB", (48, 40), (90, 90, 90))
    (all_classes,) = model.predict(image, min_confidence=1.0)
    (best,) = model.predict(image, top=1)
    assert (len(all_classes.top), len(best.top)) == (3, 1)
    assert (all_classes.accepted, best.accepted) == (False, True)
    assert {each.backbone for each in best.votes} == set(BACKBONES)
    chosen = model.predict(image, target_precision=0.9)
    assert chosen.acceptance is not None
    assert chosen[0].accepted == (chosen[0].probability >= chosen.acceptance.confidence)
    assert chosen.acceptance.coverage > 0.5
    assert chosen.acceptance.text in chosen._repr_html_()
    for wrong in ({"top": 0}, {"min_confidence": 2}, {"on_error": "ignore"}):
        with pytest.raises(UsageError):
            model.predict(image, **wrong)  # type: ignore[arg-type]


def test_an_image_that_cannot_be_read_is_raised_or_listed(
    model: stackkit.LoadedModel, tmp_path: Path
) -> None:
    coloured(0, seed=4).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"b\.png"):
        model.predict(tmp_path)
    found = model.predict([tmp_path / "b.png", tmp_path / "a.png"], on_error="skip")
    assert [Path(each.id).name for each in found.failed] == ["b.png"]
    assert [Path(each.source).name for each in found] == ["a.png"]
    assert "could not be read" in found._repr_html_()


def test_records_become_a_data_frame(
    model: stackkit.LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = model.predict(coloured_images(1)[0])
    frame = found.to_dataframe()
    assert list(frame["label"]) == found.labels
    assert {"source", "probability", "novelty", "top_3", "vote_2_probability"} <= set(frame.columns)
    assert isinstance(found[1:], stackkit.Predictions)
    assert found[1:].labels == found.labels[1:]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(StackkitError, match="needs pandas; install it: pip install pandas"):
        found.to_dataframe()


def test_names_of_files_cannot_inject_html(model: stackkit.LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    coloured(0, seed=1).save(path)
    shown = model.predict(path)._repr_html_()
    assert "<img" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in shown


def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "no.stackkit").write_bytes(b"PK no model")
    for name in ("no.stackkit", "missing.stackkit"):
        with pytest.raises(StackkitError) as refused:
            stackkit.load(tmp_path / name)
        assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        stackkit.load(tmp_path / "no.stackkit", threads=0)


def test_a_folder_wins_over_no_dataset_and_a_dataset_over_a_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "birds, 2024")
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(stackkit.features("birds, 2024", "mean-colours")) == 24
    assert dataset_text("mnist", installed()) == "mnist"
    assert dataset_text("s3://birds/a,b", installed()) == "image-folder:root=s3://birds/a\\,b"
    with pytest.raises(UsageError, match="dataset must be text such as"):
        stackkit.features(3, "mean-colours")  # type: ignore[arg-type]


def test_a_pillow_image_of_any_mode_is_labelled(model: stackkit.LoadedModel) -> None:
    found = model.predict(
        [coloured(0, seed=1).convert(mode) for mode in ("L", "RGBA", "P", "CMYK", "1")]
    )
    assert len(found) == 5
    with pytest.raises(ImageError):
        model.predict(Image.new("F", (20, 20)))
