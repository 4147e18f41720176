"""An exported graph sees the pixels that networks see, byte for byte."""

import itertools

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from stackkit.api import OnnxNodes
from stackkit.extraction.boxes import Boxes
from stackkit.extraction.geometry import Geometry, pixels
from stackkit.onnx_export.views import ImageViews

SIZES = [(50, 40), (40, 50), (32, 32), (64, 21), (21, 64), (1, 1), (3, 90), (90, 3), (32, 45), (20, 20)]
"""Heights and widths, some below, some above the 32 pixels of the network."""

VIEWS = ["whole", "mirror", "crop-top-left", "crop-bottom-right", "crop-centre", "attention"]


def noise(seed: int, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def box_of(seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 1]).uniform(0.05, 0.5, 4).astype(np.float32)


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_squares_of_all_views_are_those_of_pillow(resize):
    nodes = OnnxNodes()
    views = ImageViews(nodes, "image")
    geometries = [Geometry(size=32, resize=resize, view=view) for view in VIEWS]
    exact = nodes.cast("box", np.float64)
    names = [views.square(each, views.box_on_image(exact, "squash")) for each in geometries]
    run = session(nodes, dict(zip(VIEWS, names, strict=True)))
    for (seed, size), each in itertools.product(enumerate(SIZES), [geometries]):
        image, box = noise(seed, size), box_of(seed)
        found = run(None, {"image": image, "box": box})
        for square, geometry in zip(found, each, strict=True):
            expected = pixels(Image.fromarray(image), geometry, box.tolist())
            assert np.array_equal(square[0], expected), (size, geometry)


@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_a_box_that_was_found_on_another_square_is_the_same_part_of_the_image(resize):
    nodes = OnnxNodes()
    views = ImageViews(nodes, "image")
    geometry = Geometry(size=32, view="attention")
    box = views.box_on_image(nodes.cast("box", np.float64), resize)
    run = session(nodes, {"square": views.square(geometry, box)})
    for seed, size in enumerate(SIZES):
        image, places = noise(seed, size), box_of(seed)
        (found,) = run(None, {"image": image, "box": places})
        on_image = Boxes(resize=resize, places=places[None]).on_image(0, size[::-1])
        assert np.array_equal(found[0], pixels(Image.fromarray(image), geometry, on_image)), size


def session(nodes: OnnxNodes, outputs: dict[str, str]):
    content = nodes.model(
        {"image": (np.uint8, ("h", "w", 3)), "box": (np.float32, (4,))},
        {name: (tensor, np.uint8, (1, 32, 32, 3)) for name, tensor in outputs.items()},
    )
    return onnxruntime.InferenceSession(content).run
