"""The command, Python, the server and an exported graph give every photograph the same label."""

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageOps
from support.models import BACKBONES, COLOURS_PLUGIN, coloured_folder, small_model, small_registry
from support.serving import form, serving

import stackkit
from stackkit.cli.main import main
from stackkit.model.saved import load_model, save_model
from stackkit.prediction.predictor import Predictor

NETWORKS = [
    pytest.param(BACKBONES, id="colours"),
    pytest.param(
        ["efficientnet-lite0:pooling=avg+gem,views=mirror+attention"],
        id="efficientnet-lite0",
        marks=pytest.mark.slow,
    ),
]


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backbones of the small model are in a plugin of one file."""
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))


@pytest.fixture
def bundle(request: pytest.FixtureRequest, bird_folder: Path, tmp_path: Path) -> Path:
    """A model of real birds."""
    path = tmp_path / "birds.stackkit"
    stackkit.train(bird_folder, backbones=request.param, learner=["lda"], baseline=[], out=path)
    return path


@pytest.mark.parametrize("bundle", NETWORKS, indirect=True)
def test_all_ways_to_ask_give_the_same_labels_and_probabilities(bundle: Path, bird_folder: Path):
    photos = sorted(bird_folder.rglob("*.jpg"))[::3][:12]
    asked = {"command": by_command(bundle, photos), "server": by_server(bundle, photos)}
    records = list(stackkit.load(bundle).predict(photos))
    expected = [(each.label, each.probability) for each in records]
    for way, found in asked.items():
        assert found == expected, way
    in_graph = list(by_graph(bundle, photos))
    assert [label for label, _ in in_graph] == [label for label, _ in expected]
    for (_, found), (_, probability) in zip(in_graph, expected, strict=True):
        assert found == pytest.approx(probability, abs=1e-4)


@pytest.mark.parametrize("aggregator", ["average-svm", "soft-vote", "concat"])
def test_probabilities_are_bit_equal_before_and_after_saving(aggregator: str, tmp_path: Path):
    registry = small_registry()
    model = small_model(registry, aggregator=aggregator)
    save_model(model, tmp_path / "m.stackkit")
    files = sorted(coloured_folder(tmp_path / "photos", 4, seed=9).rglob("*.png"))
    images = [Image.open(each).convert("RGB") for each in files]
    before, after = (
        one.answer(Predictor(one).features(images))
        for one in (model, load_model(tmp_path / "m.stackkit", registry))
    )
    assert before.probabilities.tobytes() == after.probabilities.tobytes()
    assert before.votes.tobytes() == after.votes.tobytes()
    assert np.array_equal(before.labels, after.labels)


def by_command(bundle: Path, photos: list[Path]) -> list[tuple[str, float]]:
    with redirect_stdout(io.StringIO()) as stdout:
        assert main(["predict", str(bundle), *map(str, photos), "--json"]) == 0
    return found_in(json.loads(stdout.getvalue()))


def by_server(bundle: Path, photos: list[Path]) -> list[tuple[str, float]]:
    predictor = Predictor(load_model(bundle, small_registry()))
    with serving(predictor) as client:
        return found_in(client.post("/predict", files=form(*photos)).json())


def found_in(document: dict) -> list[tuple[str, float]]:
    return [(each["label"], each["probability"]) for each in document["predictions"]]


def by_graph(bundle: Path, photos: list[Path]) -> Iterator[tuple[str, float]]:
    out = bundle.with_suffix(".onnx")
    assert main(["export", str(bundle), "--out", str(out), "--check", str(photos[0].parent)]) == 0
    session = onnxruntime.InferenceSession(out)
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    for photo in photos:
        pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB"))
        probabilities, label = session.run(["probabilities", "label"], {"image": pixels})
        yield classes[label], float(probabilities[label])
