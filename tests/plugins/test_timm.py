"""Networks of timm: timm's own features, on torch and OpenVINO, from files, a hub or a seed."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.conformance import broken
from support.making import assert_close, create, images_of, spec_of

from stackkit.api import StackkitError, UsageError, WeightsError
from stackkit.host.requirements import missing_requirements
from stackkit_plugins import timm as plugin
from stackkit_plugins.efficientnet_lite.backbone import LITE0, LITE1, LITE2
from stackkit_plugins.efficientnet_lite.torch_checkpoint import read_checkpoint
from stackkit_plugins.shared.keras_network.engine_cache import EngineCache
from stackkit_plugins.shared.keras_network.parity import TOLERANCE, largest_difference
from stackkit_plugins.timm.backbone import Factory
from stackkit_plugins.timm.facts import Facts, remember
from stackkit_plugins.timm.hub import on_this_machine, weights_folder
from stackkit_plugins.timm.models import MODELS
from stackkit_plugins.timm.weights import FromHub, Network

HAS_TIMM = find_spec("timm") is not None and find_spec("torch") is not None
needs_timm = pytest.mark.skipif(not HAS_TIMM, reason="timm is not installed (extra: timm)")
needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="openvino is not installed (extra: fast)"
)
SMALL = {"model": "test_vit", "weights": "random", "engine": "torch"}
"""timm's own network for tests: a transformer of 160 pixels with a class token."""


def small(**given: Any) -> Any:
    return create(plugin, "timm", **{**SMALL, **given})


def saved(file: Path, model: str, **given: Any) -> Any:
    """Save weights of a network, all of them drawn at random, and return the network."""
    import timm
    import torch

    network = timm.create_model(model, **given)
    generator = torch.Generator().manual_seed(5)
    # Networks multiply their branches by learnt factors that begin near 0, and would not be told apart.
    state = {
        name: torch.randn(each.shape, generator=generator) / max(each[0].numel(), 4) ** 0.5
        if each.is_floating_point() and "running" not in name
        else each
        for name, each in network.state_dict().items()
    }
    if file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(state, file)
    else:
        torch.save({"state_dict": state, "epoch": 3}, file)
    network.load_state_dict(state)
    return network.eval()


def without_classifier(network: Any) -> Any:
    network.reset_classifier(0)
    return network


def expected_of(network: Any, images: np.ndarray) -> np.ndarray:
    """Return what timm computes from images with its own preprocessing, without its crop."""
    import timm
    import torch

    config = {**timm.data.resolve_model_data_config(network), "crop_pct": 1.0}
    size = images.shape[1]
    transform = timm.data.create_transform(**{**config, "input_size": (3, size, size)})
    with torch.inference_mode():
        batch = torch.stack([transform(Image.fromarray(image)) for image in images])
        found: np.ndarray = network(batch).numpy()
    return found


def test_short_names_say_what_they_are_and_under_which_licence():
    for model in MODELS:
        spec = spec_of(plugin, model.name)
        assert model.licence in spec.summary
        assert "million weights" in spec.summary
        assert (spec.image_size, spec.feature_dim) == (model.size, model.width)
        assert spec.download_bytes > 80e6


@pytest.mark.skipif(HAS_TIMM, reason="timm is installed")
def test_without_timm_the_command_that_installs_it_is_named():
    for name in ("timm", "dinov2-small"):
        reason = missing_requirements(spec_of(plugin, name))
        assert reason is not None
        assert reason.endswith("run: pip install 'stackkit[timm]'")


def test_options_are_checked_before_anything_is_imported(tmp_path):
    with pytest.raises(UsageError, match=r"model= is required, for example timm:model=resnet18"):
        create(plugin, "timm", weights="random")
    with pytest.raises(WeightsError, match="does not exist; pass hub, random, or the path of a file"):
        create(plugin, "dinov2-small", weights=str(tmp_path / "none.safetensors"))
    with pytest.raises(UsageError, match="device=gpu requires engine=torch"):
        create(plugin, "dinov2-small", device="gpu", engine="openvino")
    for other in ({"device": "cpu"}, {"engine": "openvino"}):
        with pytest.raises(UsageError, match="precision=mixed requires a GPU"):
            create(plugin, "dinov2-small", precision="mixed", **other)


def test_what_is_missing_is_known_from_the_folder_of_downloads(tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    network = Factory(name="timm")
    reason = network.unavailable_reason(weights="hub", model="resnet18.a1_in1k")
    assert reason == (
        f"weights of resnet18.a1_in1k not found in {tmp_path / 'hub'}; downloaded on first use"
    )
    assert network.unavailable_reason(weights="hub") == (
        "model= is required, for example timm:model=resnet18"
    )
    assert network.unavailable_reason(weights="random", model="resnet18") is None
    assert "does not exist" in str(network.unavailable_reason(weights="none.pth", model="resnet18"))
    folder = tmp_path / "hub" / "models--timm--resnet18.a1_in1k" / "snapshots" / "1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert not on_this_machine("resnet18.a1_in1k")
    (folder / "model.safetensors").write_text("weights")
    assert on_this_machine("resnet18.a1_in1k")
    assert on_this_machine("resnet18")  # without a tag: any
    assert not on_this_machine("resnet18.a2_in1k")
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", str(tmp_path / "old"))  # huggingface_hub still reads it
    assert weights_folder() == tmp_path / "old"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "new"))
    assert weights_folder() == tmp_path / "new"


def test_weights_in_a_repository_of_another_name_are_known_once_they_were_used(tmp_path):
    name = "fastvit_mci0.apple_mclip"  # in the repository apple/mobileclip_s0_timm
    file = tmp_path / "model.safetensors"
    network, weights = Network(model=name, size=None, tokens="auto"), FromHub()
    of_it = {"model": name, "size": 256, "width": 512, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    remember(network, weights, Facts(**of_it, file=str(file)))  # type: ignore[arg-type]
    given = {"weights": "hub", "model": name, "size": None, "tokens": "auto"}
    assert "downloaded on first use" in str(Factory(name="timm").unavailable_reason(**given))
    file.write_text("weights")
    assert Factory(name="timm").unavailable_reason(**given) is None


@needs_timm
def test_it_passes_all_checks():
    assert broken("timm", "timm:model=test_vit,weights=random") == {}


@needs_timm
@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("test_vit", 160),
        ("test_vit", 96),  # its position embeddings are resampled
        ("test_resnet", 128),
        ("test_convnext", 160),
        pytest.param("vit_tiny_patch16_224", 224, marks=pytest.mark.slow),
        pytest.param("swin_tiny_patch4_window7_224", 224, marks=pytest.mark.slow),
    ],
)
def test_features_of_a_file_are_timms_own(tmp_path, model, size):
    import timm

    file = tmp_path / "weights.safetensors"
    network = saved(file, model)
    if size != network.default_cfg["input_size"][1] and network.default_cfg.get("fixed_input_size"):
        overlay = {"file": str(file)}
        network = timm.create_model(model, True, pretrained_cfg_overlay=overlay, img_size=size).eval()
    expected = expected_of(without_classifier(network), images_of(size))
    backbone = small(model=model, weights=file, size=size)
    assert backbone.trained
    assert backbone.image_size == size
    assert_close(backbone.extract(images_of(size)), expected)


@needs_timm
def test_tokens_are_the_class_token_the_mean_of_the_patches_or_both(tmp_path):
    import torch

    file = tmp_path / "weights.pth"
    network = saved(file, "test_vit")
    images = images_of(160)
    pixels = torch.tensor(images.copy()).permute(0, 3, 1, 2) / 255
    config = network.default_cfg
    mean, std = (torch.tensor(config[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        tokens = network.forward_features((pixels - mean) / std).numpy()
    found = {name: small(weights=file, tokens=name).extract(images) for name in ("cls", "mean", "both")}
    assert_close(found["cls"], tokens[:, 0])
    assert_close(found["mean"], tokens[:, 1:].mean(axis=1))
    assert np.array_equal(found["both"], np.hstack([found["cls"], found["mean"]]))
    with pytest.raises(UsageError, match=r"tokens=cls is for transformers .* use tokens=auto"):
        _ = small(model="test_resnet", tokens="cls").feature_dim


@needs_timm
@pytest.mark.parametrize("classes", [0, 7])
def test_a_file_with_another_classifier_or_none_has_the_same_features(tmp_path, classes):
    file = tmp_path / "weights.safetensors"
    network = saved(file, "test_convnext", num_classes=classes)
    found = small(model="test_convnext", weights=file).extract(images_of(160))
    assert_close(found, expected_of(without_classifier(network), images_of(160)))


@needs_timm
def test_a_relative_path_means_the_file_in_the_current_folder_also_in_later_runs(tmp_path, monkeypatch):
    found = []
    for classes in (0, 7):  # other classifiers, so that the files differ
        folder = tmp_path / str(classes)
        folder.mkdir()
        saved(folder / "weights.pth", "test_vit", num_classes=classes)
        monkeypatch.chdir(folder)
        digest = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()
        found.append(small(weights="weights.pth").revision)
        assert f"weights=sha256-{digest}" in found[-1]
    assert found[0] != found[1]


@needs_timm
def test_a_file_that_does_not_fit_is_refused(tmp_path):
    import torch

    good, missing, code, cut = (tmp_path / f"{name}.pth" for name in ("good", "missing", "code", "cut"))
    state = saved(good, "test_vit").state_dict()
    torch.save({name: each for name, each in state.items() if "blocks.1" not in name}, missing)
    torch.save({"run": subprocess.Popen}, code)
    cut.write_bytes(good.read_bytes()[:-2000])
    cases = {
        "does not fit test_resnet": {"model": "test_resnet", "weights": good},
        "does not fit test_vit: .*blocks.1": {"weights": missing},
        "is not a complete checkpoint of plain tensors": {"weights": code},
        r"cut.pth is not a complete checkpoint": {"weights": cut},
    }
    for message, given in cases.items():
        with pytest.raises(WeightsError, match=message) as caught:
            _ = small(**given).revision
        assert "\n" not in str(caught.value)


@needs_timm
def test_size_and_width_are_known_without_a_download_and_the_revision_is_not(tmp_path, monkeypatch):
    def no_connection(repository: str, file: str | None) -> Path:
        raise WeightsError("no connection")

    monkeypatch.setattr("stackkit_plugins.timm.network.downloaded", no_connection)
    assert (small(weights="hub").image_size, small(weights="hub").feature_dim) == (160, 64)
    with pytest.raises(WeightsError, match="no connection"):
        _ = small(weights="hub").revision
    file = tmp_path / "model.safetensors"
    saved(file, "test_vit")
    monkeypatch.setattr("stackkit_plugins.timm.network.downloaded", lambda *given: file)
    revision = small(weights="hub").revision
    assert hashlib.sha256(file.read_bytes()).hexdigest() in revision
    monkeypatch.setattr("stackkit_plugins.timm.network.downloaded", no_connection)
    assert small(weights="hub").revision == revision
    file.unlink()
    assert small(weights="hub").feature_dim == 64
    with pytest.raises(WeightsError, match="no connection"):
        _ = small(weights="hub").revision


@needs_timm
def test_a_damaged_download_is_named_where_it_has_to_be_deleted(tmp_path, monkeypatch):
    # The hub's folder has links to its files. Without the link alone, the same file is used again.
    blob, link = tmp_path / "blob", tmp_path / "model.safetensors"
    blob.write_bytes(b"damaged")
    link.symlink_to(blob)
    monkeypatch.setattr("stackkit_plugins.timm.network.downloaded", lambda repository, file: link)
    with pytest.raises(WeightsError, match=f"delete {blob}, and it is downloaded again"):
        small(weights="hub").extract(images_of(160))


@needs_timm
def test_names_and_sizes_that_timm_does_not_have_are_one_line():
    cases = {
        "has no network 'resnet81'; similar names: .*resnet": {"model": "resnet81"},
        "timm has no weights 'resnet18.none'; it has resnet18.a1_in1k": {"model": "resnet18.none"},
        r"test_vit does not take images of 100 pixels \(.*patch size \(16\)": {"size": 100},
    }
    for message, given in cases.items():
        with pytest.raises(UsageError, match=message) as caught:
            _ = small(**given).image_size
        assert "\n" not in str(caught.value)


@needs_timm
def test_seed_network_and_tokens_change_the_revision_and_the_callers_random_state_stays():
    import torch

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    made = [small(), small(seed=1), small(tokens="mean"), small(size=96), small(model="test_vit2")]
    mixed = small(precision="mixed")
    assert len({each.revision for each in (*made, mixed)}) == 6
    assert mixed.revision == f"{made[0].revision};precision=mixed"
    assert not made[0].trained
    assert made[0].revision == small(threads=1, batch_size=3).revision
    assert torch.rand(1) == expected
    first, second = (small(seed=seed).extract(images_of(160)) for seed in (0, 1))
    assert not np.allclose(first, second)
    assert np.array_equal(first, small(threads=1, batch_size=6).extract(images_of(160))) or (
        largest_difference(small(threads=1).extract(images_of(160)), first) < 1e-6
    )


@needs_timm
@pytest.mark.skipif(os.environ.get("CUDA_VISIBLE_DEVICES") != "", reason="a GPU may be visible")
def test_mixed_precision_without_a_gpu_is_refused_before_anything_is_computed():
    with pytest.raises(UsageError, match="torch sees none; use precision=float32"):
        small(precision="mixed").extract(images_of(160))


@needs_timm
def test_a_name_with_and_without_the_tag_of_its_weights_is_one_network():
    """Both in one stack would count the same features twice, which the host refuses by the revision."""
    for _ in range(2):  # built, and remembered
        assert small().revision == small(model="test_vit.r160_in1k").revision


@needs_timm
@needs_openvino
@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("test_vit", 160, "both"),
        *[
            # Small images, a multiple of every patch size, as some networks take minutes otherwise.
            pytest.param(each.model, 112, "auto", marks=pytest.mark.slow, id=each.name)
            for each in MODELS
        ],
    ],
)
def test_openvino_has_the_features_of_torch(tmp_path, model, size, tokens):
    """With random weights throughout, so that no branch of the network is next to nothing."""
    file = tmp_path / "weights.safetensors"
    saved(file, model)
    given = {"model": model, "weights": file, "tokens": tokens}
    made = create(plugin, "timm", **given, size=size)
    images = np.concatenate([images_of(size)] * 3)
    made.expect(100)
    lines: list[str] = []
    readiness = made.prepare(images[:8], lines.append)
    assert (readiness.settings["engine"], lines) == ("openvino", [])
    reference = create(plugin, "timm", **given, size=size, engine="torch")
    assert made.revision == reference.revision
    if widths := [each.width for each in MODELS if each.model == model]:
        assert [made.feature_dim] == widths
    # Other numbers of images than in the comparison that `prepare` makes.
    for count in (1, 5, 13):
        found, expected = (each.extract(images[:count]) for each in (made, reference))
        assert largest_difference(found, expected) <= TOLERANCE


@needs_timm
@pytest.mark.parametrize(
    "factory", [LITE0, pytest.param(LITE1, marks=pytest.mark.slow), LITE2], ids=lambda one: one.file
)
def test_real_weights_have_the_authors_features(shared_data, tmp_path, factory):
    """EfficientNet-Lite in timm, with the tensors of the packaged checkpoints under timm's names."""
    import timm
    import torch
    from safetensors.torch import save_file

    from stackkit_plugins.timm.network import build
    from stackkit_plugins.timm.on_torch import OnTorch
    from stackkit_plugins.timm.weights import FromFile

    number = factory.variant.name[-1]
    model = f"tf_efficientnet_lite{number}"
    theirs = read_checkpoint(factory.packaged_file())
    ours = timm.create_model(model).state_dict()
    # Both declare their layers in the same order.
    assert [each.shape for each in theirs.values()] == [tuple(each.shape) for each in ours.values()]
    state = dict(zip(ours, map(torch.from_numpy, theirs.values()), strict=True))
    save_file(state, tmp_path / "weights.safetensors")
    built = build(
        model,
        Network(model=model, size=None, tokens="auto"),
        FromFile(path=tmp_path / "weights.safetensors"),
        tmp_path / "weights.safetensors",
    )
    built.module.mean.fill_(127)  # timm's configuration scales by 127.5, the authors as here
    built.module.std.fill_(128)
    with np.load(shared_data / "efficientnet_lite" / "golden.npz") as golden:
        images = golden[f"lite{number}_uint8"].astype(np.float32)
        expected = golden[f"lite{number}_features"]
    assert built.facts.size == images.shape[1] == factory.variant.size
    assert_close(OnTorch(built.module, on_gpu=False, threads=0)(images), expected, 1e-3)
    if find_spec("openvino") is not None:
        from stackkit_plugins.timm.conversion import load_converted

        cache = EngineCache(model, "golden", packages=("timm", "torch"))
        size = built.facts.size
        found = load_converted(cache, lambda: built, size=size, threads=0)(images)
        assert_close(found, expected, 1e-3)
        assert largest_difference(found, expected) <= TOLERANCE


class _Hub(BaseHTTPRequestHandler):
    """Answers like the hub for one file; all other files do not exist."""

    path_of_file = "/timm/test_vit.r160_in1k/resolve/main/model.safetensors"
    content = b""
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def _answer(self, *, with_content: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        if self.path != self.path_of_file:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        if with_content:
            self.wfile.write(self.content)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def hub(tmp_path) -> Iterator[tuple[str, list[str], bytes]]:
    file = tmp_path / "on-the-hub.safetensors"
    saved(file, "test_vit")
    asked: list[str] = []
    handler = type("Hub", (_Hub,), {"content": file.read_bytes(), "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked, file.read_bytes()
    server.shutdown()
    server.server_close()


USE = """
import json, sys
import numpy as np
from stackkit.api import WeightsError
from stackkit_plugins.timm.backbone import Factory
def make(model):
    given = dict(size=None, tokens="auto", device="cpu", seed=0)
    given.update(engine=sys.argv[1], threads=0, batch_size=0)
    return Factory(name="timm")(model=model, weights="hub", **given)
found = make("test_vit.r160_in1k")
images = np.random.default_rng(0).integers(0, 256, (4, 160, 160, 3)).astype(np.uint8)
row = found.extract(images).sum(axis=1).tolist()
imported = "torch" in sys.modules
errors = []
for model in sys.argv[2:]:
    try:
        make(model).revision
    except WeightsError as error:
        errors.append(str(error))
print(json.dumps([found.revision, row, imported, errors]))
"""


@needs_timm
@needs_openvino
def test_weights_are_downloaded_once_and_then_neither_the_hub_nor_torch_is_needed(hub, tmp_path):
    endpoint, asked, content = hub
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }

    def use(*arguments: str) -> Any:
        command = [sys.executable, "-c", USE, *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        return json.loads(done.stdout)

    revision, row, imported, errors = use("openvino", "resnet18.a1_in1k")
    assert imported
    assert f"sha256-{hashlib.sha256(content).hexdigest()}" in revision
    (error,) = errors
    assert "\n" not in error
    assert "weights of timm/resnet18.a1_in1k are not in" in error
    url = f"{endpoint}/timm/resnet18.a1_in1k/resolve/main/model.safetensors"
    assert f"download {url} elsewhere and pass weights=FILE" in error
    assert any(each.startswith("GET /timm/test_vit.r160_in1k/") for each in asked)
    asked.clear()
    again = use("openvino")
    assert again == [revision, pytest.approx(row, rel=1e-5), False, []]
    assert asked == []


@needs_timm
def test_a_file_that_changes_while_it_is_in_use_is_noticed(tmp_path):
    file = tmp_path / "weights.safetensors"
    saved(file, "test_vit")
    _ = small(weights=file).revision  # what the network is like is now known without building it
    backbone = small(weights=file)
    _ = backbone.revision
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(StackkitError, match="changed while it was in use"):
        backbone.extract(images_of(160))
