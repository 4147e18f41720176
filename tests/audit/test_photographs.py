"""Bad photographs are found among good ones, and a dataset where all are alike has none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from support.pictures import birds, pictures, subject_of

from stackkit.api.reporter import SilentReporter
from stackkit.audit.findings import Kind
from stackkit.audit.measures import FILE_NAME, measure
from stackkit.audit.photographs import bad_photographs

BAD: dict[Kind, Callable[[Image.Image], Image.Image]] = {
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(5)),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.2),
    "bright": lambda image: Image.blend(image, Image.new("RGB", image.size, "white"), 0.85),
    "tiny": lambda image: image.resize((60, 40)),
    "odd-shape": lambda image: image.resize((1500, 300)),
}


def test_each_fault_is_found_on_the_photographs_that_have_it_and_no_other(cub_root: Path) -> None:
    images = birds(cub_root, 16)
    worse = [change(images[k]) for k, change in enumerate(BAD.values())]
    subject = subject_of(pictures([*images, *worse]))
    measured = measure(subject, None, SilentReporter())
    found = bad_photographs(subject, measured, input_size=224)
    assert {kind: [each.id for each in of_kind] for kind, of_kind in found.items()} == {
        kind: [f"{16 + k}.jpg"] for k, kind in enumerate(BAD)
    }
    assert all(0 < each.score <= 1 for of_kind in found.values() for each in of_kind)
    assert found["odd-shape"][0].reason.startswith("one side is 5.0 times the other; median: ")

    alone = subject_of(pictures(worse[:1] * 8))
    of_blurred = bad_photographs(alone, measure(alone, None, SilentReporter()), input_size=224)
    assert not of_blurred["blurred"], "where all are blurred, none is worse than the others"


def test_measures_are_remembered_by_content_and_damage_costs_one_image(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = [Image.fromarray(random.integers(0, 256, (40, 50, 3)).astype(np.uint8)) for _ in range(4)]
    dataset = pictures([*noise, None])
    subject = subject_of(dataset)
    first = measure(subject, tmp_path, SilentReporter())
    assert first[4] is None
    assert sorted(dataset.decoded) == [0, 1, 2, 3, 4]

    file = tmp_path / FILE_NAME
    lines = file.read_text().splitlines()
    broken = [line.replace('"width"', '"wide"') if f"{2:032x}" in line else line for line in lines]
    file.write_text("\n".join(["[1", *broken]))
    dataset.decoded.clear()
    assert measure(subject, tmp_path, SilentReporter()) == first
    assert sorted(dataset.decoded) == [2, 4]


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    subject = subject_of(pictures([Image.new("RGB", (8, 8))] * 2))
    missing = tmp_path / "missing"
    assert all(measure(subject, missing, SilentReporter()))
    assert not missing.exists()


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (8, 8)])
def test_images_of_any_size_can_be_measured(size: tuple[int, int]) -> None:
    (found,) = measure(subject_of(pictures([Image.new("RGB", size, "grey")])), None, SilentReporter())
    assert found
    assert (found.width, found.height, found.sharpness) == (*size, 0)
