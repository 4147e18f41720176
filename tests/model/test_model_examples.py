import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support.models import coloured_images, features_of, small_model, small_registry

from stackkit.api.errors import BundleError
from stackkit.api.reporter import SilentReporter
from stackkit.api.state import State
from stackkit.evaluation.features import Features
from stackkit.model.examples import SIDE, Examples, chosen_rows, make_examples
from stackkit.model.saved import load_model, save_model


@pytest.fixture(scope="module")
def registry():
    return small_registry()


@pytest.fixture(scope="module")
def examples(registry) -> Examples:
    images, labels = coloured_images(4, seed=2)
    names = [f"image {i}" for i in range(len(labels))]
    return make_examples(features_of(registry, images), labels, names, images.__getitem__)


def test_the_nearest_example_of_a_training_image_is_the_image_itself(registry, examples):
    images, labels = coloured_images(4, seed=2)
    found = examples.nearest(features_of(registry, images), 3)
    assert [each[0].name for each in found] == list(examples.names)
    assert [each[0].label for each in found] == labels.tolist()
    for each in found:
        assert len(each) == 3
        assert each[0].similarity == pytest.approx(1, abs=1e-3)
        assert each[0].similarity >= each[1].similarity >= each[2].similarity


def test_examples_are_saved_and_found_again_with_the_same_neighbours(registry, examples, tmp_path):
    features = features_of(registry, coloured_images(2, seed=5)[0])
    path = tmp_path / "m.stackkit"
    save_model(replace(small_model(registry), examples=examples), path)
    again = load_model(path, registry)
    assert again.examples is not None
    assert again.examples.nearest(features) == examples.nearest(features)
    assert again.facts["examples"] == {"images": 12, "side": SIDE}
    save_model(small_model(registry), tmp_path / "plain.stackkit")
    assert load_model(tmp_path / "plain.stackkit", registry).examples is None


def test_thumbnails_are_small_and_say_nothing_about_the_photograph():
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    stream = io.BytesIO()
    Image.new("RGB", (900, 30), "red").save(stream, "JPEG", exif=exif)
    photo = Image.open(io.BytesIO(stream.getvalue()))
    features = [Features.from_matrix("b", np.ones((1, 3), dtype=np.float32))]
    (thumbnail,) = make_examples(features, np.array([0]), ["a"], lambda _: photo).thumbnails
    opened = Image.open(io.BytesIO(thumbnail))
    assert opened.size == (SIDE, 5)
    assert not opened.getexif()
    assert b"taken at home" not in thumbnail


class Counting(SilentReporter):
    def start(self, task, total, done=0, unit="items"):
        self.task, self.total, self.done = task, total, done

    def advance(self, task, count):
        self.done += count


def test_an_image_that_has_vanished_since_is_left_out():
    def read(number: int) -> Image.Image:
        if number == 1:
            raise FileNotFoundError
        return Image.new("RGB", (9, 9))

    features = [Features.from_matrix("b", np.eye(3, dtype=np.float32))]
    reporter = Counting()
    found = make_examples(features, np.array([0, 1, 2]), ["a", "b", "c"], read, reporter=reporter)
    assert (reporter.task, reporter.done, reporter.total) == ("thumbnails of examples", 3, 3)
    assert found.names == ("a", "c")
    assert found.labels.tolist() == [0, 2]
    assert found.features[0].shape == (2, 3)


def test_of_many_images_each_class_keeps_equally_many():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 50)
    kept = chosen_rows(labels, 23)
    assert np.bincount(labels[kept]).tolist() == [10, 3, 10]
    assert (np.diff(kept) > 0).all()
    assert chosen_rows(labels, 1000).tolist() == list(range(103))


@pytest.mark.parametrize(
    ("values", "arrays", "message"),
    [
        ({"names": "abc"}, {}, "names must be"),
        ({"names": [1] * 12}, {}, "names must be"),
        ({}, {"labels": np.zeros(3, dtype=np.int64)}, "labels must be 12 integers"),
        ({}, {"labels": np.full(12, 3)}, "labels must be from 0 to 2"),
        ({}, {"features-0": np.zeros((12, 1), dtype=np.float16)}, "features-0 must be float16"),
        ({}, {"features-1": np.array(0)}, "features-1 must be float16"),
    ],
)
def test_a_state_that_does_not_fit_the_model_is_refused(examples, values, arrays, message):
    state = examples.state()
    wrong = State(values={**state.values, **values}, arrays={**state.arrays, **arrays})
    widths = [each.shape[1] for each in examples.features]
    with pytest.raises(ValueError, match=message):
        Examples.from_state(wrong, lambda name: b"", widths, 3)


def test_a_bundle_with_examples_of_another_model_is_refused_in_one_line(registry, examples, tmp_path):
    other = replace(examples, labels=np.full(12, 7))
    save_model(replace(small_model(registry), examples=other), tmp_path / "m.stackkit")
    with pytest.raises(BundleError, match="labels must be from 0 to 2"):
        load_model(tmp_path / "m.stackkit", registry)
