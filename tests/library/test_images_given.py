"""Images as Python code has them: paths, bytes, Pillow images, arrays and tensors."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stackkit.api.errors import UsageError
from stackkit.library.images import given_images

PIXELS = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)


class Tensor:
    """What NumPy can read, as tensors of PyTorch and TensorFlow are."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.array


class TensorOnGpu:
    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


def pixels_of(images: object) -> list[np.ndarray]:
    return [np.asarray(each.source) for each in given_images(images)]


@pytest.mark.parametrize(
    ("images", "count"),
    [
        (PIXELS[0], 1),
        (PIXELS[0, :, :, 0], 1),
        (PIXELS[0, :, :, :1], 1),
        (PIXELS, 2),
        (list(PIXELS), 2),
        (Tensor(PIXELS), 2),
        ([Tensor(PIXELS[0]), Image.fromarray(PIXELS[1])], 2),
        (iter(PIXELS), 2),
        ([], 0),
    ],
)
def test_arrays_tensors_and_pillow_images_keep_their_pixels(images: object, count: int) -> None:
    found = pixels_of(images)
    assert len(found) == count
    for number, each in enumerate(found):
        expected = PIXELS[number] if each.ndim == 3 else PIXELS[0, :, :, 0]
        assert np.array_equal(each, expected)


def test_paths_keep_the_spelling_that_was_given(tmp_path: Path) -> None:
    paths = ["a.png", tmp_path / "b.png", "~/c.png"]
    for images in (paths, np.array([str(each) for each in paths]), np.array(paths, dtype=object)):
        assert [each.name for each in given_images(images)] == [str(each) for each in paths]
    assert given_images("~/c.png")[0].source == str(Path.home() / "c.png")
    assert given_images(np.array([["a.png"], ["b.png"]]))[1].name == "b.png"


def test_the_content_of_a_file_is_one_image() -> None:
    assert [each.source for each in given_images(b"content")] == [b"content"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (PIXELS / 255, "must be uint8 from 0 to 255, got float64; scale and round"),
        (PIXELS.astype(np.int64), "must be uint8 from 0 to 255, got int64$"),
        (PIXELS[:, :, :2, 0], r"got \(2, 3, 2\); pass several images as a list"),
        (PIXELS.transpose(0, 3, 1, 2)[:, :, :, :2], "the channels must be the last axis"),
        (PIXELS[0, 0, 0], r"must have shape \(height, width, 3\).*, got \(3,\)"),
        (PIXELS[:, :0], "must have shape"),
        ([PIXELS], r"image 0 must be one image, got an array of shape \(2, 3, 4, 3\)"),
        ([["a.png"]], "image 0 must be a path, bytes, a Pillow image or a uint8 array, got list"),
        (3, "images must be a path, .* got int"),
        ([None], "image 0 must be a path, .* got NoneType"),
        (TensorOnGpu(), "a TensorOnGpu cannot be used as an array .*; convert it to NumPy first"),
    ],
)
def test_what_cannot_be_an_image_is_refused_in_one_line(images: object, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        given_images(images)
    assert "\n" not in str(refused.value)
