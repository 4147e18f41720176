"""A Keras network in ONNX has the features that it has on TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from support.making import create

from stackkit.api import OnnxNodes, PluginError
from stackkit_plugins import efficientnet_lite, keras_applications

APPLICATIONS = [
    ("vgg16", {}),
    ("resnet50-v2", {"layer": "conv4_block6_preact_relu"}),
    ("inception-v3", {}),
    ("xception", {}),
    ("inception-resnet-v2", {}),
    ("densenet121", {}),
    ("mobilenet", {"alpha": 0.25}),
    ("mobilenet-v2", {}),
    ("mobilenet-v3-small", {"pooling": "gem"}),
    ("nasnet-mobile", {}),
    ("efficientnet-b0", {}),
    ("efficientnetv2-b0", {}),
    ("convnext-tiny", {"pooling": "max"}),
]


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> np.ndarray:
    """Photographs of birds as squares."""
    with np.load(shared_data / "efficientnet_lite" / "golden.npz") as file:
        return file["lite0_uint8"][:3]


def features(backbone: Any, images: np.ndarray) -> np.ndarray:
    nodes = OnnxNodes()
    made = backbone.onnx(nodes, "images")
    content = nodes.model(
        {"images": (np.uint8, ("n", *images.shape[1:]))},
        {"features": (made, np.float32, ("n", backbone.feature_dim))},
    )
    (found,) = onnxruntime.InferenceSession(content).run(None, {"images": images})
    return found


def distances(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Distances of rows, relative to their lengths."""
    return np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)


def test_all_poolings_of_a_real_network_have_the_same_features(golden):
    each = [
        create(efficientnet_lite, "efficientnet-lite0", **given)
        for given in ({}, {"pooling": "gem"}, {"pooling": "max", "layer": "blocks.10.add"})
    ]
    boxes = create(efficientnet_lite, "efficientnet-lite0", pooling="box")
    backbone = each[0].join([*each[1:], boxes])
    found, expected = features(backbone, golden), backbone.extract(golden)
    assert distances(found[:, :-4], expected[:, :-4]).max() < 1e-5
    assert np.array_equal(found[:, -4:], expected[:, -4:])


def test_a_pooling_that_onnx_lacks_is_refused():
    backbone = create(efficientnet_lite, "efficientnet-lite0", pooling="second-order", weights="random")
    with pytest.raises(PluginError, match="pooling=second-order of 7 x 7 cells cannot be exported"):
        backbone.onnx(OnnxNodes(), "images")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "given"), APPLICATIONS)
def test_networks_of_keras_have_the_same_features(name, given):
    backbone = create(keras_applications, name, weights="random", **given)
    size = backbone.image_size
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    # Random weights are badly scaled and enlarge rounding: EfficientNetV2-B0 differs by 1.4e-4. A wrong
    # layer differs by about 1.
    assert distances(features(backbone, images), backbone.extract(images)).max() < 5e-4
