import io
import re
import weakref
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from support.models import coloured, coloured_images, features_of, small_model, small_registry

from stackkit.api.errors import UsageError
from stackkit.api.reporter import SilentReporter
from stackkit.explanation.explain import Explanation, explain
from stackkit.explanation.occlusion import OcclusionMap, occlusion_map
from stackkit.explanation.overlay import overlay
from stackkit.explanation.page import html
from stackkit.explanation.picture import png
from stackkit.model.examples import make_examples
from stackkit.prediction.predictor import Predictor

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    registry = small_registry()
    images, labels = coloured_images(4, seed=2)
    names = [f"{HOSTILE} {i}" for i in range(len(labels))]
    examples = make_examples(features_of(registry, images), labels, names, images.__getitem__)
    return Predictor(replace(small_model(registry), examples=examples))


@pytest.fixture(scope="module")
def explanation(predictor) -> Explanation:
    return explain(predictor, coloured(2, 77), f"{HOSTILE}.jpg", grid=4)


def test_an_explanation_agrees_with_the_prediction(predictor, explanation):
    (prediction,) = predictor.predict([coloured(2, 77)], [f"{HOSTILE}.jpg"])
    assert explanation.prediction == prediction
    for votes, vote in zip(explanation.votes, prediction.votes, strict=True):
        best = max(votes.candidates, key=lambda each: each.probability)
        assert (best.label, best.probability) == (vote.label, vote.probability)
    assert [each.label for each in explanation.neighbours] == [2] * 4 + [explanation.neighbours[4].label]


def test_the_region_that_has_the_colour_of_the_class_is_found(predictor):
    pixels = np.full((64, 64, 3), 90, dtype=np.uint8)
    pixels[40:, :24] = (255, 0, 0)
    image = Image.fromarray(pixels)
    (prediction,) = predictor.predict([image])
    assert prediction.label == "red"
    label, progress = predictor.model.classes.index("red"), _Progress()
    found = occlusion_map(predictor, image, label, 8, progress)
    assert progress.counts == [-49, 32, 17]
    assert found.images == 49
    row, column = np.unravel_index(found.falls.argmax(), found.falls.shape)
    assert row >= 4
    assert column <= 3
    assert found.falls.max() > 0
    assert (found.falls[:4, 4:] < 0).all()  # without some of the grey, red counts for more


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 2), (200, 5)])
def test_images_of_any_size_can_be_explained(predictor, size):
    found = explain(predictor, Image.new("L", size, 90), grid=3)
    assert np.isfinite(found.regions.falls).all()
    assert html(found)
    assert Image.open(io.BytesIO(png(found))).width == 1200


def test_covered_copies_of_a_large_photograph_are_not_in_memory_at_once(predictor, monkeypatch):
    made, most, plain = list[weakref.ref](), list[int](), Image.Image.copy

    def copy(image):
        made.append(weakref.ref(found := plain(image)))
        most.append(sum(each() is not None for each in made))
        return found

    image = coloured(1, 5)
    monkeypatch.setattr(Image.Image, "copy", copy)
    occlusion_map(predictor, image, 1, 8, SilentReporter())
    assert len(made) >= 49
    assert max(most) <= 12


def test_a_picture_has_letters_and_no_boxes_also_without_fonts_on_the_system(explanation, monkeypatch):
    def picture(label: str) -> bytes:
        return png(replace(explanation, prediction=replace(explanation.prediction, label=label)))

    assert picture("Gr\u00fcnspecht") != picture("Gr\ue000nspecht")
    monkeypatch.setattr("stackkit.explanation.picture.FONTS", ())
    assert picture("Gr\u00fcnspecht") == picture("Grunspecht")
    assert picture("\u9ce5") == picture("?")


def test_a_map_has_no_more_cells_than_allowed(predictor):
    for grid in (2, 17):
        with pytest.raises(UsageError, match=f"grid must be from 3 to 16, got {grid}"):
            explain(predictor, coloured(0, 1), grid=grid)


def test_the_page_needs_nothing_else_and_executes_nothing(explanation):
    page = html(explanation, "m.stackkit")
    assert "<script" not in page
    assert not re.search(r"(src|href|url\()\s*=?\s*[\"']?(https?:|//|file:)", page)
    assert "default-src 'none'" in page
    images = _Images()
    images.feed(page)
    assert len(images.found) == 2 + 5
    for each in images.found:
        assert each["src"].startswith("data:image/")
        assert each["alt"]


def test_an_explanation_without_map_and_examples_says_how_to_get_examples(predictor):
    bare = Predictor(replace(predictor.model, examples=None))
    page = html(explain(bare, coloured(1, 1), regions=False))
    assert "Train it with --with-examples" in page
    assert "Show the regions" not in page


def test_an_image_that_depends_on_no_region_has_an_empty_layer():
    for falls in (np.zeros((4, 4)), np.full((4, 4), 1e-5)):
        assert not np.asarray(overlay(OcclusionMap(falls=falls, images=9)))[..., 3].any()


class _Progress(SilentReporter):
    def __init__(self) -> None:
        self.counts: list[int] = []

    def start(self, task, total, done=0, unit="items"):
        self.counts.append(-total)

    def advance(self, task, count):
        self.counts.append(count)


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict] = []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append(dict(attrs))
