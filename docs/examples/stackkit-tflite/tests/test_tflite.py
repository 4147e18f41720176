"""Test what `tflite` does beyond the requirements for every backbone."""

from pathlib import Path

import numpy as np
import pytest
from converting import SIZE, WIDTH, convert, weights
from stackkit.api import UsageError, WeightsError
from stackkit_tflite.backbone import TFLite, tflite
from stackkit_tflite.modelfile import Tensor, unavailable_reason, read_model
from stackkit_tflite.pixels import features, input_levels

INT8 = Tensor(shape=(1, SIZE, SIZE, 3), dtype="int8", scale=1 / 127.5, zero_point=-1)
FLOAT = Tensor(shape=(1, SIZE, SIZE, 3), dtype="float32")


def backbone(model: Path, **given: object) -> TFLite:
    options: dict[str, object] = {"low": "auto", "high": "auto", "output": 0, "threads": 1}
    return tflite(model=str(model), **{**options, **given})  # type: ignore[arg-type]


def test_the_file_is_read_as_the_runtime_reads_it(model: Path) -> None:
    made = backbone(model)
    assert (made.image_size, made.feature_dim) == (SIZE, WIDTH)
    source, target = made._interpreter.get_input_details()[0], made._interpreter.get_output_details()[0]
    file = read_model(model)
    for tensor, details in zip((*file.inputs, *file.outputs), (source, target), strict=True):
        assert tensor.shape == tuple(details["shape"])
        assert tensor.dtype == np.dtype(details["dtype"]).name
        assert (tensor.scale, tensor.zero_point) == pytest.approx(details["quantization"])


@pytest.mark.skipif(
    weights() is None,
    reason="random weights give every image the same features; STACKKIT_TEST_DATA names real ones",
)
def test_quantized_features_are_close_to_those_of_the_original(model: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.tflite"
    convert(plain, quantized=False)
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (4, 7, 7, 3)).repeat(32, axis=1).repeat(32, axis=2).astype(np.uint8)
    exact = backbone(plain, low=-1.0, high=1.0).extract(images)
    close = backbone(model).extract(images)
    assert np.corrcoef(close.ravel(), exact.ravel())[0, 1] > 0.95


def test_a_float_network_needs_values_for_black_and_white() -> None:
    with pytest.raises(UsageError, match="low=-1,high=1"):
        input_levels(FLOAT, "auto", "auto")
    with pytest.raises(UsageError, match="both be numbers or both be auto"):
        input_levels(INT8, -1.0, "auto")
    levels = input_levels(FLOAT, -1.0, 1.0)
    assert levels.dtype == np.float32
    assert levels[[0, 255]].tolist() == [-1, 1]


def test_a_quantized_network_takes_steps_or_a_range() -> None:
    assert input_levels(INT8, "auto", "auto")[[0, 1, 255]].tolist() == [-128, -127, 127]
    np.testing.assert_allclose(
        input_levels(INT8, -1.0, 1.0).astype(int), input_levels(INT8, "auto", "auto"), atol=1
    )
    assert input_levels(INT8, 0.0, 255.0)[255] == 127  # clipped to eight bits


def test_maps_are_averaged_and_quantized_outputs_are_scaled() -> None:
    answer = np.array([[[[0, 10], [20, 10]]]], dtype=np.uint8)
    tensor = Tensor(shape=(1, 1, 2, 2), dtype="uint8", scale=0.5, zero_point=10)
    assert features(answer, tensor).tolist() == [0, 0]
    assert features(answer[0, 0], tensor).shape == (2,)


def test_file_and_range_change_the_revision_and_threads_do_not(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(model.read_bytes() + b"\0")
    made = [backbone(model), backbone(other), backbone(model, low=0.0, high=1.0)]
    assert len({each.revision for each in made}) == 3
    assert backbone(model, threads=2).revision == made[0].revision


def test_a_file_that_changes_during_use_is_refused(model: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tflite"
    mine.write_bytes(model.read_bytes())
    made = backbone(mine)
    mine.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="changed while it was in use"):
        made.extract(np.zeros((1, SIZE, SIZE, 3), np.uint8))


def test_invalid_models_are_refused_by_name(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    with pytest.raises(WeightsError, match=r"model\.tflite: file not found"):
        backbone(file)
    file.write_bytes(b"no model")
    with pytest.raises(WeightsError, match="is not a TensorFlow Lite model"):
        backbone(file)
    file.write_bytes(model.read_bytes()[:64])
    with pytest.raises(WeightsError, match="damaged"):
        backbone(file)
    with pytest.raises(UsageError, match=r"output must be < 1, .* got 1"):
        backbone(model, output=1)
    with pytest.raises(UsageError, match="model= is required"):
        tflite(model=None, low="auto", high="auto", output=0, threads=1)
    assert unavailable_reason(model=str(model), output=0) is None
