"""Images that are nearly the same are found, and different images that look alike are not."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_digits
from support.pictures import birds, pictures, subject_of

from stackkit.api.reporter import SilentReporter
from stackkit.audit.findings import Finding
from stackkit.audit.measures import measure
from stackkit.audit.near_duplicates import near_duplicates
from stackkit.audit.neighbours import BLOCK, nearest_images
from stackkit.audit.subject import Subject
from stackkit.evaluation.features import Features


def found_in(subject: Subject) -> list[Finding]:
    return near_duplicates(subject, measure(subject, None, SilentReporter()), SilentReporter())


def recompressed(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=40)
    return Image.open(stream).convert("RGB")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": recompressed,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "cropped": lambda image: image.crop((4, 4, image.width - 4, image.height - 4)),
}


def test_changed_copies_of_photographs_are_found_and_nothing_else(cub_root: Path) -> None:
    images = birds(cub_root, 16)
    copies = [change(images[k]) for k, change in enumerate(CHANGES.values())]
    found = found_in(subject_of(pictures([*images, *copies])))
    assert {(each.id, each.other) for each in found} == {(f"{16 + k}.jpg", f"{k}.jpg") for k in range(4)}


def test_a_mirrored_copy_is_found_if_the_features_are_alike(cub_root: Path) -> None:
    images = birds(cub_root, 12)
    features = np.random.default_rng(0).normal(size=(13, 32))
    features[12] = features[3] + 0.1
    subject = subject_of(pictures([*images, ImageOps.mirror(images[3])]), features)
    assert [(each.id, each.other) for each in found_in(subject)] == [("12.jpg", "3.jpg")]


def test_copies_that_do_harm_come_first_and_say_why(cub_root: Path) -> None:
    images = birds(cub_root, 14)
    copies = [recompressed(images[k]) for k in range(3)]
    dataset = pictures(
        [*images, *copies],
        label=[0] * 14 + [0, 0, 1],
        split=["train"] * 14 + ["train", "test", "train"],
    )
    subject = subject_of(dataset)
    found = sorted(found_in(subject), key=lambda each: -each.score)
    assert {each.id for each in found[:2]} == {"15.jpg", "16.jpg"}
    by_id = {each.id: each.reason for each in found}
    assert "the other one is labelled a" in by_id["16.jpg"]
    assert "official part test, the other one in train" in by_id["15.jpg"]
    assert "the other one" not in by_id["14.jpg"]


def test_identical_files_and_groups_are_named_as_such(cub_root: Path) -> None:
    images = birds(cub_root, 12)
    dataset = pictures([*images, images[0], recompressed(images[0])])
    names = [dataset.fingerprint(i) for i in range(14)]
    names[12] = names[0]
    found = {each.id: each for each in found_in(subject_of(dataset, fingerprints=names))}
    assert set(found) == {"12.jpg", "13.jpg"}
    assert found["12.jpg"].reason.startswith("the same file")
    assert "of 64 bits" in found["13.jpg"].reason
    assert all("a group of 3 images" in each.reason for each in found.values())


def test_handwritten_digits_are_not_all_copies_of_each_other() -> None:
    digits = load_digits()
    images = [
        Image.fromarray((scan * 15.9).astype(np.uint8)).convert("RGB") for scan in digits.images[:600]
    ]
    dataset = pictures(images, label=(digits.target[:600] % 2).tolist())
    found = found_in(subject_of(dataset, digits.data[:600]))
    assert len(found) < 30


def test_an_unreadable_image_has_no_copies(cub_root: Path) -> None:
    features = np.random.default_rng(0).normal(size=(12, 32))
    features[11] = features[3]
    subject = subject_of(pictures([*birds(cub_root, 11), None]), features)
    assert found_in(subject) == []


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_images_are_enough(count: int, cub_root: Path) -> None:
    assert found_in(subject_of(pictures(birds(cub_root, count)))) == []


def test_neighbours_are_those_of_the_whole_matrix() -> None:
    random = np.random.default_rng(0)
    matrices = [random.normal(size=(BLOCK + 7, width)).astype(np.float32) for width in (8, 12)]
    matrices[0][5] = 0
    units = [each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-30) for each in matrices]
    similarity = np.mean([each @ each.T for each in units], axis=0)
    np.fill_diagonal(similarity, -np.inf)
    features = [Features.from_matrix("", each) for each in matrices]
    found = nearest_images(features, 3, SilentReporter())
    np.testing.assert_allclose(found.similarity, -np.sort(-similarity, axis=1)[:, :3], atol=1e-6)
    expected = np.take_along_axis(similarity, found.rows, axis=1)
    np.testing.assert_allclose(found.similarity, expected, atol=1e-6)
