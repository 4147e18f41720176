"""Poolings of Keras networks: each equals a plain computation on the feature map, on every engine."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.linalg import sqrtm
from support.making import create

from stackkit.api.images import read_image, squash
from stackkit_plugins import efficientnet_lite, keras_applications
from stackkit_plugins.shared.keras_network import engines, import_keras
from stackkit_plugins.shared.keras_network.heads import with_heads
from stackkit_plugins.shared.keras_network.parity import largest_difference, largest_difference_of
from stackkit_plugins.shared.keras_network.pooling import (
    POOLINGS,
    Pooling,
    boxes,
    features_of,
    signs,
    split,
)
from stackkit_plugins.shared.keras_network.runtime import own_settings

SIZE = 96
LAYER = "blocks.10.add"
ONE_PASS = 1e-5
"""Allowed difference of features from one pass and from single passes, relative to a row's norm."""


@pytest.fixture(scope="module")
def birds(cub_root):
    files = sorted((cub_root / "images").rglob("*.jpg"))[::97][:9]
    return np.stack([squash(read_image(file), SIZE) for file in files])


def lite(**given):
    return create(efficientnet_lite, "efficientnet-lite0", **{"size": SIZE, "batch_size": 9, **given})


@pytest.fixture(scope="module")
def maps(birds):
    """Feature maps by layer, (9, height, width, channels), from the Keras model itself."""
    keras = import_keras()
    definition = lite().definition
    model = definition.build_model()
    ends = [model.layers[-1].input, model.get_layer(LAYER).output]
    both = keras.Model(model.input, ends).predict_on_batch(
        definition.preprocess(birds.astype(np.float32))
    )
    return {None: both[0].astype(np.float64), LAYER: both[1].astype(np.float64)}


SETS = [*((pooling, None) for pooling in POOLINGS), ("gem", LAYER)]


def joined(engine="tensorflow"):
    first, *others = [lite(pooling=name, layer=layer, engine=engine) for name, layer in SETS]
    assert {other.pass_key for other in others} == {first.pass_key}
    return first.join(others)


def by_set(features):
    """Divide the features of one pass by pooling and layer."""
    ends = np.cumsum([lite(pooling=name, layer=layer).feature_dim for name, layer in SETS])
    assert features.shape == (9, ends[-1])
    return dict(zip(SETS, np.split(features, ends[:-1], axis=1), strict=True))


@pytest.fixture(scope="module")
def one_pass(birds):
    """Features by pooling and layer, all from one pass of TensorFlow."""
    return by_set(joined().extract(birds))


def expected_of(pooling: str, feature_map: np.ndarray) -> np.ndarray:
    if pooling == "avg":
        return feature_map.mean(axis=(1, 2))
    if pooling == "max":
        return feature_map.max(axis=(1, 2))
    if pooling == "gem":
        return stats.pmean(np.maximum(feature_map, 1e-6), 3, axis=(1, 2))
    if pooling == "box":
        return np.array([box_of(each.sum(axis=-1)) for each in feature_map])
    rows, columns = np.triu_indices(127)
    weights = np.where(rows == columns, 1, np.sqrt(2))
    return np.array([root_of(each)[rows, columns] * weights for each in feature_map])


def root_of(feature_map: np.ndarray) -> np.ndarray:
    descriptors = feature_map.reshape(-1, feature_map.shape[-1]) @ signs(feature_map.shape[-1], 127)
    return sqrtm(np.cov(descriptors.T, bias=True) + 1e-14 * np.eye(127)).real


def box_of(activations: np.ndarray) -> list[float]:
    regions, count = ndimage.label(activations >= activations.mean())
    largest = max(range(1, count + 1), key=lambda label: (regions == label).sum())
    y, x = np.nonzero(regions == largest)
    side = len(activations)
    left, top = max(0, x.min() - 0.5), max(0, y.min() - 0.5)
    right, bottom = min(side, x.max() + 1.5), min(side, y.max() + 1.5)
    return [left / side, top / side, (right - left) / side, (bottom - top) / side]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_equals_a_plain_computation_on_the_feature_map(pooling, maps, one_pass):
    few = 2 if pooling == "second-order" else 9  # scipy's square root takes a second
    expected = expected_of(pooling, maps[None][:few])
    assert expected.shape[1] == lite(pooling=pooling).feature_dim <= 8192
    assert largest_difference(one_pass[pooling, None][:few], expected.astype(np.float32)) < 1e-5


def test_a_layer_that_is_named_is_pooled_instead_of_the_last_one(maps, one_pass):
    expected = expected_of("gem", maps[LAYER])
    assert one_pass["gem", LAYER].shape == (9, 112)
    assert largest_difference(one_pass["gem", LAYER], expected.astype(np.float32)) < 1e-5


def test_mixed_precision_leaves_what_float16_cannot_hold_in_float32():
    keras = import_keras()
    with own_settings(keras, precision="mixed"):
        images = keras.Input((45, 45, 3))
        features = keras.layers.Conv2D(3, 1, kernel_initializer="ones")(images)
        model = keras.Model(images, keras.layers.GlobalAveragePooling2D()(features))
        sets = [Pooling(kind=kind, channels=3) for kind in ("second-order", "gem", "max", "box")]
        raw = with_heads(model, sets, "three").predict_on_batch(np.full((1, 45, 45, 3), 40, np.float32))
    assert raw.dtype == np.float32
    places = 45 * 45  # times 3 channels: float16 knows 6,075 only as 6,076, and no cubes above 65,504
    assert [part.shape[1] for part in split(sets, raw)] == [3 * places, 3, 3, places]
    assert features_of(sets, raw)[0, 6:12] == pytest.approx([120] * 6)


@pytest.mark.parametrize(
    "pooling",
    [pytest.param(name, marks=() if name == "second-order" else pytest.mark.slow) for name in POOLINGS],
)
def test_a_single_pass_gives_the_features_of_a_joined_one(pooling, birds, one_pass):
    found = lite(pooling=pooling, engine="tensorflow").extract(birds)
    assert largest_difference(one_pass[pooling, None], found) < ONE_PASS
    assert lite(pooling=pooling, engine="tensorflow").extract(birds[:0]).shape == (0, found.shape[1])


@pytest.mark.parametrize("engine", ["openvino", pytest.param("mnn", marks=pytest.mark.slow)])
def test_an_engine_gives_tensorflows_features_in_every_set_of_a_pass(engine, birds, one_pass):
    if engines.engine_version(engine) is None:
        pytest.skip(f"{engine} is not installed (extra: fast)")
    backbone = joined(engine)
    selector = backbone.selector(print)  # in this process, which has imported TensorFlow already
    selection = selector.select(birds)
    assert selection.engine == engine
    raw = selector.compute(selection)(birds.astype(np.float32))
    for name, columns in by_set(features_of(backbone.definition.poolings, raw)).items():
        assert largest_difference(columns, one_pass[name]) < ONE_PASS, name


@pytest.mark.slow
@pytest.mark.skipif(engines.engine_version("mnn") is None, reason="needs the extra fast")
def test_mnn_has_the_poolings_of_a_network_that_it_is_selected_for(birds):
    """Without second-order: it magnifies the rounding of Winograd's algorithm beyond the tolerance."""
    given = {"weights": "random", "size": 64, "engine": "mnn"}
    first, *others = [
        create(keras_applications, "vgg16", **given, pooling=name, layer=layer)
        for name in POOLINGS
        if name != "second-order"
        for layer in ("none", "block5_conv3")
    ]
    # It compares every set with TensorFlow's.
    readiness = first.join(others).prepare(birds[:, 16:80, 16:80], print)
    assert readiness.settings["engine"] == "mnn"


def test_only_poolings_of_the_same_network_on_the_same_engine_share_a_pass():
    keys = [
        create(keras_applications, "mobilenet", **{"weights": "random", "size": 64, **given}).pass_key
        for given in (
            {},
            {"seed": 1},
            {"size": 96},
            {"alpha": 0.5},
            {"engine": "tensorflow"},
            {"threads": 1},
        )
    ]
    assert len(set(keys)) == len(keys)
    other = create(keras_applications, "mobilenet", weights="random", size=64, pooling="gem")
    assert other.pass_key == keys[0]


def test_revisions_of_average_and_maximum_are_those_of_earlier_versions():
    given = {"weights": "random", "size": 64}
    for pooling in ("avg", "max"):
        one = create(keras_applications, "resnet50", **given, pooling=pooling).revision
        assert one.startswith(
            f"ResNet50;pooling={pooling};preprocessing=1;size=64;weights=random-seed-0"
        )
        assert lite(pooling=pooling).revision.startswith(
            f"efficientnet-lite0;pooling={pooling};preprocessing=1;size=96;weights=sha256-57934424"
        )
    texts = {
        create(keras_applications, "resnet50", **given, pooling=pooling, layer=layer).revision
        for pooling in POOLINGS
        for layer in ("none", "conv4_block6_out")
    }
    assert len(texts) == 2 * len(POOLINGS)


def test_an_engine_that_is_wrong_in_one_set_only_is_noticed():
    one = lite().definition.poolings[0]
    sets = (replace(one, kind="avg", channels=2), replace(one, kind="max", channels=2))
    right = np.array([[1000.0, 1000, 1e-3, 2e-3]], np.float32)
    wrong = right + np.array([[0, 0, 0, 1e-3]], np.float32)
    assert largest_difference(wrong, right) < 1e-5
    assert largest_difference_of(sets, wrong, right) > 0.1
    assert largest_difference_of(sets, wrong[:, :3], right) == float("inf")


def test_a_box_encloses_the_largest_region_and_is_the_whole_image_where_all_cells_are_alike():
    activations = np.zeros((4, 8, 8), np.float32)
    activations[0, 1:4, 2:6] = 5  # the largest region, above one that is smaller and brighter
    activations[0, 6:8, 6:8] = 50
    activations[1] = 7 + np.random.default_rng(0).normal(0, 1e-6, (8, 8))
    activations[2, 0, 0] = 1
    found = boxes(activations)
    assert found.dtype == np.float32
    assert found.tolist() == [
        [1.5 / 8, 0.5 / 8, 5 / 8, 4 / 8],
        [0, 0, 1, 1],
        [0, 0, 1.5 / 8, 1.5 / 8],
        [0, 0, 1, 1],
    ]
    assert boxes(activations[:0]).shape == (0, 4)


@pytest.mark.slow
@pytest.mark.parametrize("model", keras_applications.MODELS, ids=lambda model: model.name)
def test_every_named_layer_has_the_channels_of_the_table(model):
    """Building a network checks the number of channels of all its feature maps."""
    parts = [
        create(keras_applications, model.name, weights="random", size=96, layer=layer, alpha=alpha)
        if model.alphas
        else create(keras_applications, model.name, weights="random", size=96, layer=layer)
        for alpha in model.alphas or (1.0,)
        for layer in ("none", *keras_applications.layer_names(model))
    ]
    by_network = {}
    for part in parts:
        by_network.setdefault(part.pass_key, []).append(part)
    for first, *others in by_network.values():
        first.join(others).definition.build()
