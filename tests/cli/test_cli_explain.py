"""`stackkit explain` writes one file that says why a model gives an answer."""

import json
from pathlib import Path

import pytest
from PIL import Image
from support.models import COLOURS_PLUGIN, coloured, small_model

from stackkit import load
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.saved import save_model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "colours.stackkit"
    save_model(small_model(aggregator="soft-vote"), path)
    return path


@pytest.fixture(autouse=True)
def colours(site, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))
    monkeypatch.chdir(tmp_path)
    coloured(0, 3).save("photo.png")


def test_a_page_or_a_picture_is_written_and_the_answer_is_printed(bundle, stackkit):
    outcome = stackkit("explain", bundle, "photo.png", "--grid", "3")
    assert (outcome.code, outcome.out.split()[0]) == (0, "blue")
    assert "written to photo-explained.html" in outcome.out
    assert "covering regions: 4 of 4" in outcome.err
    assert "blue" in Path("photo-explained.html").read_text(encoding="utf-8")
    outcome = stackkit("explain", bundle, "photo.png", "--grid", "3", "--out", "why.png", "--json")
    document = json.loads(outcome.out)
    assert (document["file"], document["prediction"]["label"]) == ("why.png", "blue")
    assert len(document["regions"]) == 3
    with Image.open("why.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["photo.png", "--out", "why.pdf"], "--out must end in .html or .png, got why.pdf"),
        (["photo.png", "--out", "no/why.png"], "no is no folder; create it first"),
        (["photo.png", "--out", "taken.png"], "taken.png exists; choose another --out, or pass"),
        (["photo.png", "--grid", "99"], "--grid must be from 3 to 16, got 99"),
        (["none.png"], "none.png: the file is missing"),
        (["text.png"], "text.png: "),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line_and_nothing_is_written(
    bundle, stackkit, words, message
):
    Path("taken.png").write_bytes(b"mine")
    Path("text.png").write_text("not an image")
    before = sorted(Path().iterdir())
    outcome = stackkit("explain", bundle, *words)
    assert outcome.code not in (0, 1)
    assert message in outcome.err.strip().splitlines()[-1]
    assert sorted(Path().iterdir()) == before
    assert Path("taken.png").read_bytes() == b"mine"


def test_a_model_with_random_weights_warns_in_the_command_and_in_python(stackkit, monkeypatch, tmp_path):
    plugin, model = tmp_path / "random_colours.py", tmp_path / "random.stackkit"
    text = COLOURS_PLUGIN.read_text().replace('"colours:', '"random_colours:')
    plugin.write_text(text.replace("True, ", "False, "))
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(plugin))
    save_model(small_model(Registry(host=load_host())), model)
    outcome = stackkit("explain", model, "photo.png", "--no-regions")
    assert "warning: the model has networks with random weights (untrained)" in outcome.err
    with pytest.warns(UserWarning, match="random weights"):
        load(model)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("explain", "interrupted"),
        (
            "predict",
            "interrupted; with --resume FILE or --sort-into DIR, the same command goes on from there",
        ),
    ],
)
def test_ctrl_c_promises_only_what_is_kept(bundle, stackkit, monkeypatch, command, said):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("stackkit.prediction.predictor.Predictor.read", interrupted)
    outcome = stackkit(command, bundle, "photo.png")
    assert (outcome.code, outcome.err.strip().splitlines()[-1]) == (130, said)
