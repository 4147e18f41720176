"""Backbones of keras.applications: Keras' own networks and features, and helpful errors."""

import ast
import hashlib
import inspect
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from support.conformance import broken
from support.making import assert_close, create, images_of, options_of, spec_of

from stackkit.api import UsageError, WeightsError
from stackkit.api.images import squash
from stackkit_plugins import keras_applications as plugin
from stackkit_plugins.keras_applications import backbone as factories
from stackkit_plugins.keras_applications.input_scaling import scaled_for
from stackkit_plugins.keras_applications.keras_files import models_folder
from stackkit_plugins.keras_applications.models import MODELS, Model
from stackkit_plugins.shared.keras_network import KerasBackbone, import_keras

BY_NAME = {model.name: model for model in MODELS}
BIRDS = {*range(7, 25), *range(80, 101), *range(127, 147)}  # ImageNet's classes of birds
NO_NETWORK = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def keras():
    return import_keras()


@pytest.fixture(scope="session")
def photographs(cub_root: Path) -> np.ndarray:
    """(40, 224, 224, 3) uint8: the first two photographs of 20 species of birds."""
    pictures = []
    for species in sorted((cub_root / "images").iterdir()):
        for path in sorted(species.iterdir())[:2]:
            with Image.open(path) as image:
                pictures.append(squash(image.convert("RGB"), 224))
    return np.stack(pictures)


@pytest.fixture(scope="module")
def whole(keras, mobilenet_file):
    """The same weights in a network that Keras built and loaded itself, with its classifier."""
    return keras.applications.MobileNet(alpha=0.25, weights=str(mobilenet_file), include_top=True)


@pytest.fixture(scope="module")
def expected(keras, whole, photographs) -> np.ndarray:
    """(40, 256): the output of Keras' own pooling layer, before the classifier."""
    (pooling,) = [layer for layer in whole.layers if "GlobalAverage" in type(layer).__name__]
    features = keras.Model(whole.input, pooling.output)
    prepared = keras.applications.mobilenet.preprocess_input(photographs.astype(np.float32))
    return features.predict_on_batch(prepared).reshape(len(photographs), -1)


def mobilenet(weights: object, alpha: float = 0.25, **given) -> KerasBackbone:
    return create(plugin, "mobilenet", weights=str(weights), alpha=alpha, **given)


def copy_weights(source, target) -> None:
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, without this process' TensorFlow settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS"))}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**kept, **environment}
    )


# --- conformance checks ------------------------------------------------------------------------


def test_it_passes_all_checks():
    text = "mobilenet:weights=random,size=32,alpha=0.25,engine=tensorflow"
    assert broken("keras-applications", text, but=["telling-revision"]) == {}


@pytest.mark.slow
def test_with_real_weights_it_passes_all_checks_on_real_birds(mobilenet_file, cub_root):
    """All installed engines are tried too: they must give the same features."""
    text = f"mobilenet:weights={mobilenet_file},alpha=0.25,engine=tensorflow"
    birds = sorted((cub_root / "images").rglob("*.jpg"))[::300]
    assert broken("keras-applications", text, images=birds) == {}


@pytest.mark.parametrize(
    ("name", "size", "width"),
    [("vgg19", 244, 512), ("resnet50", 244, 2048), ("inception-v3", 299, 2048), ("xception", 299, 2048)],
)
def test_the_recipes_networks_have_the_recipes_sizes_by_default(name, size, width):
    backbone = create(plugin, name)
    assert (backbone.image_size, backbone.feature_dim) == (size, width)
    assert backbone.trained


# --- real weights ------------------------------------------------------------------------------


def test_a_weights_file_with_a_classifier_gives_keras_features_before_it(
    mobilenet_file, photographs, expected
):
    assert_close(mobilenet(mobilenet_file).extract(photographs), expected)


def test_these_weights_recognise_birds(keras, whole, photographs):
    """Premise of the test above: real weights, real photographs, correct preprocessing."""
    prepared = keras.applications.mobilenet.preprocess_input(photographs.astype(np.float32))
    best = whole.predict_on_batch(prepared).argmax(axis=1)
    assert np.mean([label in BIRDS for label in best]) > 0.75


def test_max_pooling_takes_the_largest_response(mobilenet_file, photographs, expected):
    largest = mobilenet(mobilenet_file, pooling="max").extract(photographs[:4])
    assert (largest >= expected[:4] - 1e-4).all()


@pytest.mark.parametrize(
    "file",
    [
        "top.weights.h5",
        "bare.keras",
        "bare.h5",
        pytest.param("bare.weights.h5", marks=pytest.mark.slow),
        pytest.param("top.keras", marks=pytest.mark.slow),
    ],
)
def test_every_file_layout_of_keras_gives_the_same_features(
    keras, mobilenet_file, whole, photographs, expected, tmp_path, file
):
    """With or without the classifier, in the formats of Keras 3 or in legacy HDF5."""
    network = whole
    if file.startswith("bare"):
        network = keras.applications.MobileNet(
            alpha=0.25, weights=None, include_top=False, input_shape=(224, 224, 3)
        )
        copy_weights(whole, network)
    save = network.save_weights if file.endswith(".weights.h5") else network.save
    save(tmp_path / file)
    assert_close(mobilenet(tmp_path / file).extract(photographs[:8]), expected[:8])


def test_weights_of_a_network_with_branches_are_loaded_into_the_right_layers(keras, tmp_path):
    """Files list layers in Keras' order, not by depth; here every weight is different."""
    whole = keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), include_top=True)
    generator = np.random.default_rng(3)
    whole.set_weights([generator.uniform(0.5, 1, w.shape) / max(1, w.ndim**3) for w in whole.weights])
    whole.save(tmp_path / "v3.h5")
    pooled = keras.Model(whole.input, whole.get_layer("conv_2").input)
    images = images_of(32)
    found = create(plugin, "mobilenet-v3-small", weights=str(tmp_path / "v3.h5"), size=32).extract(
        images
    )
    assert_close(found, pooled.predict_on_batch(images.astype(np.float32)).reshape(found.shape))


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("mobilenet", {"alpha": 0.5}, r"conv1.*\(3, 3, 3, 8\).*expected.*\(3, 3, 3, 16\)"),
        (
            "mobilenet-v2",
            {"alpha": 0.35},
            r"55 layers with weights, expected 104, or 105 with the classifier",
        ),
        ("vgg19", {}, "55 layers with weights, expected 16, or 19"),
    ],
)
def test_weights_of_another_network_are_refused_with_both_shapes(mobilenet_file, name, given, words):
    backbone = create(plugin, name, weights=str(mobilenet_file), size=32, **given)
    with pytest.raises(WeightsError, match=f"does not fit {name}.*{words}"):
        backbone.extract(images_of(32))


def test_weights_of_another_network_in_keras_3_layout_are_refused(whole, tmp_path):
    for file in ("other.weights.h5", "other.keras"):
        save = whole.save_weights if file.endswith(".weights.h5") else whole.save
        save(tmp_path / file)
        with pytest.raises(WeightsError, match=r"other\.\S+ does not fit mobilenet with alpha=0\.5"):
            mobilenet(tmp_path / file, alpha=0.5, size=32).extract(images_of(32))


@pytest.mark.parametrize("file", ["broken.h5", "broken.weights.h5", "broken.keras"])
def test_a_file_that_is_cut_short_or_not_weights_is_refused(mobilenet_file, tmp_path, file):
    whole = mobilenet_file.read_bytes()
    for content in (b"", b"<html>404</html>", whole[:1000], whole[:-1], whole[: len(whole) // 2]):
        (tmp_path / file).write_bytes(content)
        with pytest.raises(WeightsError, match=rf"{file} is not a complete") as caught:
            mobilenet(tmp_path / file, size=32).extract(images_of(32))
        assert "\n" not in str(caught.value)


def test_an_hdf5_file_without_weights_is_refused(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(WeightsError, match="has no weights of a Keras model"):
        mobilenet(tmp_path / "data.h5", size=32).extract(images_of(32))
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.attrs["layer_names"] = ["conv1"]
    with pytest.raises(WeightsError, match="not a complete HDF5 file"):
        mobilenet(tmp_path / "data.h5", size=32).extract(images_of(32))


def test_a_missing_weights_file_is_reported_before_anything_runs(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        mobilenet(tmp_path / "nothing.h5")
    with pytest.raises(WeightsError, match="is a folder"):
        mobilenet(tmp_path)


def test_the_revision_depends_on_the_files_content_and_not_its_name(mobilenet_file, tmp_path):
    copy = tmp_path / "copy.h5"
    shutil.copyfile(mobilenet_file, copy)
    copy.chmod(0o644)
    before = mobilenet(copy).revision
    assert before == mobilenet(mobilenet_file).revision
    with copy.open("ab") as file:
        file.write(b"\0")
    assert mobilenet(copy).revision != before


def test_weights_that_change_between_revision_and_use_are_noticed(mobilenet_file, tmp_path):
    copy = tmp_path / "copy.h5"
    shutil.copyfile(mobilenet_file, copy)
    copy.chmod(0o644)
    backbone = mobilenet(copy, size=32)
    assert backbone.revision
    with copy.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(WeightsError, match="changed while it was in use"):
        backbone.extract(images_of(32))


# --- weights by name and from a file -----------------------------------------------------------


def keras_own_file(keras, path: Path, model: Model, size: int, alpha: float = 1.0) -> None:
    """Write random weights as in the files that Keras offers for download: no configuration."""
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    arguments = {"alpha": alpha} if model.alphas else {}
    network = getattr(keras.applications, model.function)(
        weights=None, include_top=False, input_shape=(size, size, 3), **arguments
    )
    generator = np.random.default_rng(1)
    for weight in network.weights:
        if "kernel" not in weight.name and "count" not in weight.name:
            # Every number counts, as in real weights: no mean of 0, no variance of 1.
            weight.assign(generator.uniform(0.5, 1.0, weight.shape))
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, network)


@pytest.fixture
def both_ways(keras, monkeypatch, tmp_path):
    """Return features of a model by name and by the path of the file that Keras would download."""

    def features(name: str) -> tuple[np.ndarray, np.ndarray]:
        model = BY_NAME[name]
        size, alpha = model.smallest, min(alpha for alpha, _ in model.widths)
        path = tmp_path / "models" / model.weights_file(size=size, alpha=alpha)
        path.parent.mkdir()
        keras_own_file(keras, path, model, size, alpha)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        # Instead of a download: Keras knows the checksums of its files.
        monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *given, **named: str(path))
        width = {"alpha": alpha} if model.alphas else {}
        images = images_of(size)
        by_name, by_file = (
            create(plugin, name, weights=weights, size=size, engine="tensorflow", **width)
            for weights in ("imagenet", path)
        )
        assert by_name.revision.rpartition("weights=")[2] == by_file.revision.rpartition("weights=")[2]
        return by_name.extract(images), by_file.extract(images)

    return features


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == "mobilenet-v3-small" else pytest.mark.slow)
        for name in BY_NAME
    ],
)
def test_the_same_weights_give_the_same_features_by_name_and_from_a_file(both_ways, name):
    by_name, by_file = both_ways(name)
    assert by_name.std() > 0
    assert np.array_equal(by_name, by_file)


def test_a_file_that_describes_its_network_decides_about_the_scaling_of_the_input(keras, tmp_path):
    """A network that begins like an EfficientNet, as Keras builds it with weights=None."""
    images = keras.Input((8, 8, 3))
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Normalization(), keras.layers.Conv2D(2, 3)]
    network = keras.Sequential([images, *layers])
    network = keras.Model(network.inputs, network.outputs)
    for file in ("own.keras", "own.h5", "own.weights.h5"):
        save = network.save_weights if file.endswith(".weights.h5") else network.save
        save(tmp_path / file)
        assert scaled_for(network, tmp_path / file) is network
    with h5py.File(tmp_path / "own.h5", "a") as weights_alone:
        del weights_alone.attrs["model_config"]
    scaled = scaled_for(network, tmp_path / "own.h5")
    kinds = [type(layer).__name__ for layer in scaled.layers]
    assert kinds == ["InputLayer", "Rescaling", "Normalization", "Rescaling", "Conv2D"]
    assert scaled_for(scaled, tmp_path / "own.h5") is scaled


@pytest.mark.slow
@pytest.mark.parametrize("file", ["own.keras", "own.h5", "own.weights.h5"])
def test_an_efficientnet_that_was_saved_without_that_scaling_keeps_its_features(keras, tmp_path, file):
    """Someone who trains it from scratch has the network that Keras builds with weights=None."""
    network = keras.applications.EfficientNetB0(
        weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg"
    )
    save = network.save_weights if file.endswith(".weights.h5") else network.save
    save(tmp_path / file)
    found = create(plugin, "efficientnet-b0", weights=str(tmp_path / file), size=32)
    expected = network.predict_on_batch(images_of(32).astype(np.float32))
    assert_close(found.extract(images_of(32)), expected)


def test_only_the_revision_of_an_efficientnet_from_a_file_has_changed(mobilenet_file):
    digest = "sha256-" + hashlib.sha256(mobilenet_file.read_bytes()).hexdigest()
    end = f"pooling=avg;preprocessing=1;size=32;weights={digest}"
    for name, start in (
        ("efficientnet-b0", "EfficientNetB0;scaling=of-file;"),
        ("efficientnetv2-b0", "EfficientNetV2B0;"),
        ("vgg19", "VGG19;"),
        ("mobilenet", "MobileNet;alpha=1.0;"),
    ):
        made = create(plugin, name, weights=str(mobilenet_file), size=32)
        assert made.revision == start + end
    drawn = create(plugin, "efficientnet-b0", weights="random", size=32)
    assert drawn.revision.startswith("EfficientNetB0;pooling=avg;preprocessing=1;size=32;weights=random")


# --- weights that Keras downloads --------------------------------------------------------------


@pytest.fixture(scope="module")
def keras_home(keras, whole, tmp_path_factory) -> Path:
    """A KERAS_HOME with weights of MobileNet as if Keras had downloaded them."""
    home = tmp_path_factory.mktemp("keras")
    (home / "models").mkdir()
    network = keras.applications.MobileNet(
        alpha=0.25, weights=None, include_top=False, input_shape=(224, 224, 3)
    )
    copy_weights(whole, network)
    network.save(home / "models" / "mobilenet_2_5_224_tf_no_top.h5")
    return home


IN_ANOTHER_PROCESS = """
import sys, numpy as np
from stackkit_plugins.keras_applications.backbone import MobileNet
options = dict(weights="imagenet", size=224, pooling="avg", batch_size=8, seed=0, alpha=0.25)
assert MobileNet.unavailable_reason(**options) is None
backbone = MobileNet(**options)
print(backbone.revision)
print("tensorflow" in sys.modules)
np.save(OUT, backbone.extract(np.load(IN)))
drawn = MobileNet(**options | dict(weights="random", size=32, seed=3))
print(drawn.extract(np.full((1, 32, 32, 3), 77, np.uint8)).tobytes().hex())
"""


@pytest.fixture(scope="module")
def other_process(keras_home, photographs) -> subprocess.CompletedProcess[str]:
    """One process for several tests, as each import of TensorFlow takes seconds."""
    np.save(keras_home / "in.npy", photographs[:4])
    paths = f"IN, OUT = {str(keras_home / 'in.npy')!r}, {str(keras_home / 'out.npy')!r}"
    done = python(paths + IN_ANOTHER_PROCESS, KERAS_HOME=str(keras_home), **NO_NETWORK)
    assert done.returncode == 0, done.stderr
    return done


def test_downloaded_weights_are_used_offline_and_identified_without_importing_keras(
    keras_home, other_process, expected
):
    revision, is_imported, _ = other_process.stdout.splitlines()
    assert revision.startswith("MobileNet;alpha=0.25;pooling=avg;")
    assert is_imported == "False"
    assert_close(np.load(keras_home / "out.npy"), expected[:4])


def test_the_same_seed_gives_the_same_features_in_another_process(other_process):
    here = create(plugin, "mobilenet", weights="random", size=32, seed=3, alpha=0.25)
    features = here.extract(np.full((1, 32, 32, 3), 77, np.uint8))
    assert other_process.stdout.splitlines()[-1] == features.tobytes().hex()


def test_tensorflow_prints_nothing(other_process):
    assert len(other_process.stdout.splitlines()) == 3
    assert other_process.stderr == ""


VGG16_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
FAILED_DOWNLOADS = f"""
import json, pathlib
import numpy as np
from stackkit.api import WeightsError
from stackkit_plugins.keras_applications.backbone import VGG16, MobileNet

def attempt(factory, use):
    options = dict(weights="imagenet", size=32, pooling="avg", batch_size=8, seed=0)
    reason = factory.unavailable_reason(**options)
    try:
        use(factory(**options))
    except WeightsError as error:
        return [reason, str(error)]

def extract(backbone):
    backbone.extract(np.zeros((1, 32, 32, 3), "u1"))

models = pathlib.Path(HOME, "models")
found = {{"missing": attempt(VGG16, lambda backbone: backbone.revision)}}
found["left"] = [path.name for path in models.iterdir()]
(models / "{VGG16_FILE}").write_bytes(b"half of it")
found["noticed"] = attempt(VGG16, extract)
(models / "mobilenet_1_0_224_tf_no_top.h5").write_bytes(pathlib.Path(WEIGHTS).read_bytes()[:100_000])
found["unnoticed"] = attempt(MobileNet, extract)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def failed_downloads(mobilenet_file, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """The folder of the weights, and what is reported if Keras cannot download them."""
    home = tmp_path_factory.mktemp("empty")
    paths = f"HOME, WEIGHTS = {str(home)!r}, {str(mobilenet_file)!r}"
    done = python(paths + FAILED_DOWNLOADS, KERAS_HOME=str(home), **NO_NETWORK)
    assert len(done.stdout.splitlines()) == 1, done.stdout + done.stderr
    return home / "models", json.loads(done.stdout)


def test_without_weights_and_network_one_line_tells_what_to_do(failed_downloads):
    folder, found = failed_downloads
    unavailable_reason, message = found["missing"]
    assert (
        unavailable_reason
        == f"{VGG16_FILE} not found in {folder}; Keras downloads it on first use (about 59 MB)"
    )
    assert "\n" not in message
    assert f"vgg16 needs {VGG16_FILE}: not found in {folder}" in message
    for words in ("KERAS_HOME", "Connection refused", "weights=PATH", "weights=random"):
        assert words in message
    assert not found["left"]


def test_a_damaged_download_that_keras_notices_is_reported(failed_downloads):
    folder, found = failed_downloads
    unavailable_reason, message = found["noticed"]
    assert unavailable_reason is None
    assert f"the file in {folder} was damaged" in message


def test_a_damaged_download_that_keras_does_not_notice_is_reported(failed_downloads):
    """Keras has no checksum for MobileNet's weights, so it accepts a half-written file."""
    folder, found = failed_downloads
    _, message = found["unnoticed"]
    assert f"{folder / 'mobilenet_1_0_224_tf_no_top.h5'} cannot be loaded into mobilenet" in message
    assert "delete it" in message


def test_the_unavailable_reason_covers_paths_too(mobilenet_file, tmp_path):
    def unavailable_reason(weights: object) -> str | None:
        return factories.MobileNet.unavailable_reason(
            **options_of(spec_of(plugin, "mobilenet"), weights=str(weights))
        )

    assert unavailable_reason("random") is None
    assert unavailable_reason(mobilenet_file) is None
    assert "does not exist" in unavailable_reason(tmp_path / "nothing.h5")


KERAS_FOLDER = """
from stackkit_plugins.keras_applications.input_scaling import scaled_for
from stackkit_plugins.keras_applications.keras_files import models_folder
print(models_folder())
import pathlib
from stackkit_plugins.shared.keras_network import import_keras
keras = import_keras()
source = pathlib.Path(SOURCE).as_uri()
copy = pathlib.Path(keras.utils.get_file("stackkit-test", source, cache_subdir="models"))
copy.unlink()
print(copy.parent)
"""


@pytest.fixture(
    scope="module",
    params=[
        {"HOME": "{tmp}"},
        pytest.param({"KERAS_HOME": "{tmp}/source/no-folder"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def keras_of_a_user(request, tmp_path_factory) -> subprocess.CompletedProcess[str]:
    """A process with folders and a log level that the user has set."""
    tmp = tmp_path_factory.mktemp("user")
    (tmp / "source").write_text("x")
    code = f"SOURCE = {str(tmp / 'source')!r}" + KERAS_FOLDER
    chosen = {name: value.format(tmp=tmp) for name, value in request.param.items()}
    done = python(code, TF_CPP_MIN_LOG_LEVEL="0", **chosen)
    assert done.returncode == 0, done.stderr
    return done


def test_weights_are_searched_where_keras_searches(keras_of_a_user):
    ours, *_, theirs = keras_of_a_user.stdout.split("\n")[:-1]
    assert ours == theirs


# --- the table ---------------------------------------------------------------------------------


def test_the_table_lists_every_model_of_keras_and_no_other(keras):
    functions = {name for name, value in vars(keras.applications).items() if inspect.isfunction(value)}
    assert {model.function for model in MODELS} == functions
    assert len(BY_NAME) == len(MODELS)


def test_every_module_of_the_table_has_a_preprocess_input(keras):
    for model in MODELS:
        assert callable(getattr(keras.applications, model.module).preprocess_input)


def test_every_width_of_a_model_has_a_download_size():
    for model in MODELS:
        sizes = [model.megabytes(alpha) for alpha, _ in model.widths]
        assert sizes == sorted(sizes)
        assert sizes[0] > 0


class _AskedError(Exception):
    """Carries the name of the file that Keras asked for, and the folder below its home."""


def _asked(keras, monkeypatch, model: Model, size: int, alpha: float) -> tuple[str, str]:
    """Build up to the point where Keras would download, and return which file it asks for."""

    def get_file(name, origin, *, cache_subdir, **others):
        raise _AskedError(name, cache_subdir)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    arguments = {"alpha": alpha} if model.alphas else {}
    with pytest.raises(_AskedError) as caught:
        getattr(keras.applications, model.function)(
            weights="imagenet", include_top=False, input_shape=(size, size, 3), **arguments
        )
    return caught.value.args


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
@pytest.mark.parametrize(
    ("name", "size", "alpha"),
    [
        ("vgg16", 32, 1.0),
        pytest.param("vgg19", 32, 1.0, marks=pytest.mark.slow),
        pytest.param("resnet50", 32, 1.0, marks=pytest.mark.slow),
        pytest.param("inception-v3", 75, 1.0, marks=pytest.mark.slow),
        pytest.param("xception", 71, 1.0, marks=pytest.mark.slow),
        ("mobilenet", 32, 1.0),
        ("mobilenet", 128, 0.75),
        pytest.param("mobilenet", 160, 0.5, marks=pytest.mark.slow),
        ("mobilenet", 192, 0.25),
        ("mobilenet-v2", 96, 0.35),
        pytest.param("mobilenet-v2", 100, 1.4, marks=pytest.mark.slow),
        ("mobilenet-v3-small", 32, 0.75),
        pytest.param("mobilenet-v3-large", 32, 1.0, marks=pytest.mark.slow),
    ],
)
def test_keras_asks_for_the_file_of_the_table(keras, monkeypatch, name, size, alpha):
    model = BY_NAME[name]
    assert _asked(keras, monkeypatch, model, size, alpha) == (
        model.weights_file(size=size, alpha=alpha),
        "models",
    )


@pytest.mark.parametrize(
    "model", [model for model in MODELS if not model.alphas], ids=lambda model: model.name
)
def test_keras_source_contains_the_file_name_of_the_table(keras, model):
    """For networks that take too long to build: the name, or the parts it is composed of."""
    function = getattr(keras.applications, model.function)
    module = inspect.getmodule(function)
    tree = ast.parse(inspect.getsource(module))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    file = model.weights_file(size=224)
    name = inspect.signature(function).parameters["name"].default
    hashes = getattr(getattr(module, "resnet", module), "WEIGHTS_HASHES", {})
    assert file in texts or file == f"{name}_notop.h5" or file.split("_weights_")[0] in hashes


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_minimum_size_of_the_table_is_that_of_keras(keras, model):
    spec = spec_of(plugin, model.name)
    (size,) = [option for option in spec.options if option.name == "size"]
    with pytest.raises(
        UsageError, match=f"size must be at least {model.smallest}, got {model.smallest - 1}"
    ):
        size.parse(str(model.smallest - 1))
    too_small = (model.smallest - 1, model.smallest - 1, 3)
    with pytest.raises(ValueError, match="at least"):
        getattr(keras.applications, model.function)(
            weights=None, include_top=False, input_shape=too_small
        )


def smallest_of_each_family() -> list[str]:
    """Names of models, one per module of keras.applications."""
    families: dict[str, str] = {}
    for model in sorted(MODELS, key=lambda model: model.megabytes(model.widths[-1][0])):
        families.setdefault(model.module, model.name)
    return list(families.values())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in {"vgg16", "mobilenet-v2"} else pytest.mark.slow)
        for name in smallest_of_each_family()
    ],
)
def test_sizes_below_and_beyond_the_native_one_give_the_same_network(keras, name):
    """The same weights fit at each size, and an odd size pads differently from an even one."""
    model = BY_NAME[name]
    shapes = []
    for size in (model.smallest, model.size + 33):
        backbone = create(plugin, name, weights="random", size=size, engine="tensorflow")
        network = backbone.definition.build()
        found = network.reference(images_of(size)[:1].astype(np.float32))
        assert found.shape == (1, backbone.feature_dim)
        assert np.isfinite(found).all()
        shapes.append([tuple(weight.shape) for weight in network._model.weights])
    assert shapes[0] == shapes[1]


def test_only_the_mobilenets_have_a_width_multiplier():
    with_alpha = {
        spec.name
        for spec in plugin.stackkit_backbones()
        if "alpha" in {option.name for option in spec.options}
    }
    assert with_alpha == {name for name in BY_NAME if name.startswith("mobilenet")}
    with pytest.raises(UsageError, match=r"alpha must be one of 0\.25, 0\.5, 0\.75, 1\.0, got 0\.3"):
        create(plugin, "mobilenet", alpha=0.3)


@pytest.mark.parametrize(
    ("name", "alpha"),
    [
        ("mobilenet-v3-small", 0.75),
        pytest.param("mobilenet-v2", 1.3, marks=pytest.mark.slow),
        pytest.param("mobilenet-v3-large", 0.75, marks=pytest.mark.slow),
    ],
)
def test_the_width_of_a_multiplier_is_that_of_the_network(name, alpha):
    backbone = create(plugin, name, alpha=alpha, weights="random", size=32)
    assert backbone.extract(images_of(32)).shape == (6, backbone.feature_dim)


def test_an_unknown_model_is_not_an_attribute():
    with pytest.raises(AttributeError, match="AlexNet"):
        _ = factories.AlexNet


# --- no side effects ---------------------------------------------------------------------------


def test_other_lines_on_stderr_are_kept_during_the_import_of_tensorflow():
    code = (
        "import os, sys\n"
        "from stackkit_plugins.shared.keras_network.runtime import _quiet_stderr\n"
        "with _quiet_stderr():\n"
        "    os.write(2, b'I0000 00:00:1795502905.086232    5015 cudart_stub.cc:31] no GPU\\n')\n"
        "    print('a warning of yours', file=sys.stderr)\n"
        "os.write(2, b'and after')"
    )
    assert python(code).stderr == "a warning of yours\nand after"


def test_a_user_who_sets_tensorflows_log_level_gets_its_lines(keras_of_a_user):
    assert "InitializeLog" in keras_of_a_user.stderr


def test_another_keras_backend_is_refused_with_what_to_set():
    code = "from stackkit_plugins.shared.keras_network import import_keras; import_keras()"
    done = python(code, KERAS_BACKEND="jax")
    assert (
        "PluginError: Keras backend must be tensorflow, got jax; set KERAS_BACKEND=tensorflow"
        in done.stderr
    )


def test_global_random_state_and_keras_settings_are_not_changed(keras):
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        random.seed(1)
        np.random.seed(1)
        before = random.getstate()
        state = np.random.get_state()[1].copy()
        features = create(plugin, "mobilenet", weights="random", size=32, alpha=0.25).extract(
            images_of(32)
        )
        assert features.dtype == np.float32
        assert random.getstate() == before
        assert np.array_equal(np.random.get_state()[1], state)
        assert keras.config.image_data_format() == "channels_first"
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy("float32")


def test_weights_are_searched_below_keras_home(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert models_folder() == tmp_path / "models"
    monkeypatch.setenv("KERAS_HOME", "")
    assert models_folder() == Path("/tmp/.keras/models")
