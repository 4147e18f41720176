"""`stackkit export` writes a graph that answers as the model does, or nothing."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from support.models import COLOURS_PLUGIN, coloured_folder, small_model, small_registry

from stackkit.api.errors import EvaluationError, ImageError, PluginError
from stackkit.cli.main import main
from stackkit.model.saved import load_model, save_model
from stackkit.onnx_export import export as exporting
from stackkit.onnx_export.check import check_graph
from stackkit.onnx_export.classifiers import nodes_of
from stackkit.prediction.predictor import Predictor
from stackkit.statistics.calibration import Calibration


@pytest.fixture(scope="module")
def registry():
    return small_registry()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, registry) -> Path:
    path = tmp_path_factory.mktemp("model") / "colours.stackkit"
    save_model(small_model(registry), path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return coloured_folder(tmp_path_factory.mktemp("photos"), 4, seed=5)


def test_the_command_writes_one_file_that_onnxruntime_runs(
    bundle, photos, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))
    out = tmp_path / "colours.onnx"
    assert main(["export", str(bundle), "--out", str(out), "--check", str(photos)]) == 0
    said = capsys.readouterr()
    assert "same labels as the model, probabilities within" in said.out
    assert "comparing answers: 12 of 12" in said.err
    session = onnxruntime.InferenceSession(out)
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    for path in sorted(photos.rglob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        shares, label = session.run(["probabilities", "label"], {"image": pixels})
        assert classes[label] == path.parent.name
        assert shares.argmax() == label
        assert shares.sum() == pytest.approx(1)
    assert main(["export", str(bundle), "--out", str(out)]) != 0
    assert "exists; choose another name, or pass --overwrite" in capsys.readouterr().err
    assert main(["export", str(bundle), "--out", str(out), "--overwrite"]) == 0
    assert "on 8 made-up images; pass --check PATH for real ones" in capsys.readouterr().out


@pytest.mark.parametrize("members", [{"aggregator": "concat"}, {"aggregator": "stacked-logistic"}])
def test_other_stacks_are_exported_too(members, registry, tmp_path, photos):
    path = tmp_path / "other.stackkit"
    save_model(small_model(registry, **members), path)
    done = exporting.export_onnx(path, tmp_path / "o.onnx", registry, images=[str(photos)])
    assert done.agreement.images == 12
    assert done.agreement.difference < 1e-6
    again = exporting.export_onnx(path, tmp_path / "p.onnx", registry)
    assert again.path.read_bytes() == done.path.read_bytes()  # the same model, the same bytes


def test_a_graph_that_answers_otherwise_is_refused(bundle, registry, tmp_path, photos, monkeypatch):
    model = load_model(bundle, registry)
    colder = replace(model, calibration=Calibration(temperature=model.calibration.temperature / 2))
    monkeypatch.setattr(exporting, "check_graph", lambda c, _, i: check_graph(c, Predictor(colder), i))
    with pytest.raises(EvaluationError, match=r"differs by .* in a probability, allowed is 0.0001, so"):
        exporting.export_onnx(bundle, tmp_path / "o.onnx", registry, images=[str(photos)])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_named(registry, bundle, tmp_path, monkeypatch):
    learner = registry.one("learner", "linear-svm")
    with pytest.raises(PluginError, match="linear-svm of stackkit cannot be exported to ONNX: its"):
        nodes_of(None, learner, None, "", 3)
    module = type(registry.one("backbone", "mean-colours").create())
    monkeypatch.delattr(module, "onnx")
    with pytest.raises(PluginError, match="mean-colours cannot be exported to ONNX: its plugin does"):
        exporting.export_onnx(bundle, tmp_path / "o.onnx", registry)


def test_an_image_that_cannot_be_compared_is_named(bundle, registry, tmp_path):
    (tmp_path / "cut.png").write_bytes(b"no image")
    for name in ("cut.png", "none.png"):
        images = [str(tmp_path / name)]
        with pytest.raises(ImageError, match=rf"^{re.escape(images[0])}: "):
            exporting.export_onnx(bundle, tmp_path / "o.onnx", registry, images=images)
    assert not (tmp_path / "o.onnx").exists()


def test_missing_packages_are_named_with_the_command_that_installs_them(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"onnx, onnxruntime\); run: pip install 'stackkit\[onnx\]'"):
        exporting.export_onnx(bundle, tmp_path / "o.onnx", small_registry())
