"""A model labels images from memory and from files: same answers, one record per image, in order."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.models import coloured, coloured_folder, coloured_images, features_of, small_model

from stackkit.api.dataset import FailedImage
from stackkit.api.errors import BundleError, ImageError, UsageError, WeightsError
from stackkit.prediction.predictor import Predictor


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def images():
    return coloured_images(25, seed=1)


def test_records_say_what_the_model_says(model, images):
    features = Predictor(model).features(images[0])
    answers = model.answer(features)
    found = Predictor(model, top=2).predict(images[0], [f"{i}.png" for i in range(75)])
    strict = Predictor(model, top=2, min_confidence=1).predict(images[0])
    assert [each.source for each in found] == [f"{i}.png" for i in range(75)]
    assert [model.classes.index(each.label) for each in found] == answers.labels.tolist()
    assert np.mean(answers.labels == images[1]) > 0.9
    for i, each in enumerate(found):
        assert each.probability == pytest.approx(answers.probabilities[i].max())
        best = sorted(answers.probabilities[i])[:0:-1]
        assert [one.probability for one in each.top] == pytest.approx(best)
        assert each.top[0].label == each.label
        assert each.accepted
        assert strict[i] == replace(each, source="", accepted=False)
        assert [vote.backbone for vote in each.votes] == ["mean-colours", "colour-shares"]
        assert each.novelty == answers.novelty[i]
        assert each.novel == (each.novelty > 0.95)


def test_features_are_those_of_the_networks_alone_and_do_not_depend_on_chunks(model, images):
    from support.models import small_registry

    expected = features_of(small_registry(), images[0])
    for one, other in zip(Predictor(model).features(images[0]), expected, strict=True):
        assert np.array_equal(one.matrices[0], other.matrices[0])
        assert one.matrices[0].shape[0] == 75, "three chunks"


def test_files_give_the_records_of_their_images_and_failures_stand_in_their_place(model, tmp_path):
    coloured_folder(tmp_path, 3)
    good = sorted(tmp_path.rglob("*.png"))
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "cut.png").write_bytes(good[0].read_bytes()[:-400])
    (tmp_path / "folder.jpg").mkdir()
    Image.new("1", (13_400, 13_400)).save(tmp_path / "bomb.png")
    names = ["empty.jpg", "text.jpg", "cut.png", "folder.jpg", "missing.jpg", "bomb.png"]
    names += ["*.nothing"]
    paths = [*good[:4], *(tmp_path / name for name in names), *good[4:]]
    predictor = Predictor(model)
    found = list(predictor.predict_files(paths))
    expected = predictor.predict([Image.open(path) for path in good], list(map(str, good)))
    assert found[:4] + found[11:] == expected
    failed = [each for each in found if isinstance(each, FailedImage)]
    assert [Path(each.id).name for each in failed] == names
    assert failed == found[4:11]
    reasons = [each.reason for each in failed]
    assert reasons[0] == "the file is empty"
    assert "cannot identify" in reasons[1]
    assert "truncated" in reasons[2] or "broken" in reasons[2]
    assert reasons[3] == "is a directory"
    assert reasons[4] == "the file is missing"
    assert "Make the image smaller" in reasons[5]
    assert reasons[6] == "no file has this name, and none matches it as a pattern"
    (url,) = predictor.predict_files(["s3://birds/1.jpg"])
    assert isinstance(url, FailedImage)
    assert url.reason == "only files on this machine can be labelled, no URLs; download it first"


def test_an_image_of_any_mode_and_size_is_labelled(model):
    predictor, red = Predictor(model), coloured(2, 7)
    modes = [red, red.convert("RGBA"), red.convert("CMYK"), red.resize((1, 700)), red.convert("P")]
    assert [each.label for each in predictor.predict(modes)] == ["red"] * 5
    (grey,) = predictor.predict([Image.fromarray(np.full((9, 9), 40_000, np.uint16))], ["grey"])
    assert grey.remarks == ("16 bits that use less than a quarter of their range",)
    with pytest.raises(ImageError, match=r"float\.tif: floating-point pixels"):
        predictor.predict([red, Image.new("F", (5, 5))], ["red.png", "float.tif"])


def test_a_photograph_is_turned_upright_as_in_training(model):
    noise = np.asarray(coloured(1, 3)).copy()
    noise[:20] = 255
    image, exif = Image.fromarray(noise), Image.Exif()
    exif[0x0112] = 6
    path = Path(os.environ["STACKKIT_HOME"]) / "turned.png"
    image.rotate(90, expand=True).save(path, exif=exif)
    upright, turned = Predictor(model).predict([image, Image.open(path)])
    assert replace(turned, remarks=()) == upright
    assert turned.remarks == ("turned upright by its EXIF orientation",)
    ignoring = replace(model, facts={"pixels": {"orientation": "ignore"}})
    (lying,) = Predictor(ignoring).predict_files([path])
    assert lying.remarks == ("its EXIF orientation was ignored, as in training",)


def test_many_threads_may_ask_one_predictor_and_each_gets_its_own_answers(model, images):
    predictor, found = Predictor(model), {}
    alone = Predictor(model)
    expected = [alone.predict([image]) for image in images[0][:8]]

    def ask(number):
        found[number] = predictor.predict([images[0][number]])

    threads = [threading.Thread(target=ask, args=[i]) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(8)] == expected


def test_a_stream_reads_a_few_chunks_ahead_and_stops_when_it_is_closed(model):
    from stackkit.prediction.image_list import ImageList

    read = []

    def load(number):
        read.append(number)
        return coloured(number % 3, number)

    results = Predictor(model).stream(ImageList(sources=[""] * 100_000, read=load))
    assert [next(results).label for _ in range(3)] == ["blue", "green", "red"]
    results.close()
    assert len(read) <= 4 * 32
    assert not [each.name for each in threading.enumerate() if "decode" in each.name]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"top": 0}, "top must be at least 1, got 0"),
        ({"min_confidence": 1.5}, "min_confidence must be from 0 to 1, got 1.5"),
        ({"min_confidence": float("nan")}, "min_confidence must be from 0 to 1, got nan"),
        ({"min_confidence": 0.5, "target_precision": 0.9}, "cannot be combined"),
    ],
)
def test_settings_out_of_range_are_refused(model, settings, error):
    with pytest.raises(UsageError, match=error):
        Predictor(model, **settings)


def test_networks_of_another_revision_are_refused_before_any_image_is_read(model):
    other = replace(model, revisions=("0", model.revisions[1]))
    with pytest.raises(WeightsError, match=r"mean-colours: the model was fitted on revision '0', and"):
        Predictor(other).warm()


def test_a_network_that_asks_for_enormous_images_is_refused_before_any_is_made(model, monkeypatch):
    monkeypatch.setattr("stackkit.prediction.networks.LARGEST_SIDE", 8)
    with pytest.raises(BundleError, match=r"mean-colours: the model asks for images of \d+ pixels"):
        Predictor(model).warm()


def test_no_images_are_refused_for_features_and_give_no_records(model):
    predictor = Predictor(model)
    assert predictor.predict([]) == []
    with pytest.raises(UsageError, match="give at least one image"):
        predictor.features([])
