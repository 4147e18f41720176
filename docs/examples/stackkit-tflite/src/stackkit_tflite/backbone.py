"""The backbone: a model file on TensorFlow Lite's interpreter."""

from __future__ import annotations

import os
import warnings
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import UsageError, WeightsError
from stackkit_tflite.modelfile import ModelFile, Tensor, unavailable_reason, read_model
from stackkit_tflite.pixels import features, input_levels

VERSION = 1
"""Part of every revision; to be raised when the way from pixels to features changes."""

_TAKEN = ("float32", "uint8", "int8")


class TFLite:
    """A network of one image at a time, as the file has it.

    Images go through it one by one: a fixed batch of 1 is what converted networks have and what their
    kernels are made for, and no row can depend on another.
    """

    trained = True

    def __init__(
        self, model: ModelFile, *, low: float | str, high: float | str, output: int, threads: int
    ) -> None:
        self._model = model
        self._input, self._output = _input(model), _chosen(model, output)
        self._number = output
        self._levels = input_levels(self._input, low, high)
        self._threads = threads or os.cpu_count() or 1
        self._lock = Lock()
        self.image_size = self._input.shape[1]
        self.feature_dim = self._output.shape[-1]
        pixels = "auto" if isinstance(low, str) else f"{low:g}..{high:g}"
        self.revision = f"{VERSION};sha256-{model.sha256};pixels={pixels};output={output}"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 RGB -> (n, feature_dim) float32."""
        rows = np.empty((len(images), self.feature_dim), np.float32)
        with self._lock:  # an interpreter has one set of buffers
            interpreter = self._interpreter
            source = interpreter.get_input_details()[0]["index"]
            target = interpreter.get_output_details()[self._number]["index"]
            for row, image in zip(rows, images, strict=True):
                interpreter.set_tensor(source, self._levels[image][np.newaxis])
                interpreter.invoke()
                row[:] = features(interpreter.get_tensor(target), self._output)
        return rows

    @cached_property
    def _interpreter(self) -> Any:
        content = self._model.content()
        try:
            interpreter = _interpreter_class()(model_content=content, num_threads=self._threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise WeightsError(f"{self._model.path} cannot be run: {reason}") from error
        return interpreter


def tflite(
    *, model: str | None, low: float | str, high: float | str, output: int, threads: int
) -> TFLite:
    """A backbone from the file `model`; raises UsageError or WeightsError if it cannot be one."""
    if not model:
        raise UsageError(f"tflite: {unavailable_reason(model=model)}")
    if missing := unavailable_reason(model=model):
        raise WeightsError(f"tflite: {missing}")
    file = read_model(Path(model).expanduser())
    return TFLite(file, low=low, high=high, output=output, threads=threads)


def _interpreter_class() -> Any:
    """LiteRT's, which is small, or the same in TensorFlow, which stackkit brings along."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        # Here for good: a filter that is put back may put back another thread's, too.
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        return tf.lite.Interpreter
    return Interpreter


def _input(model: ModelFile) -> Tensor:
    found = ", ".join(f"{each.dtype} {each.shape}" for each in model.inputs)
    wanted = "one input of shape (1, size, size, 3), float32, uint8 or int8, is wanted"
    if len(model.inputs) != 1 or model.inputs[0].dtype not in _TAKEN:
        raise WeightsError(f"{model.path} takes {found}; {wanted}")
    (tensor,) = model.inputs
    if len(tensor.shape) != 4 or tensor.shape != (1, tensor.shape[1], tensor.shape[1], 3):
        raise WeightsError(f"{model.path} takes {found}; {wanted}")
    return tensor


def _chosen(model: ModelFile, output: int) -> Tensor:
    if output >= len(model.outputs):
        raise UsageError(
            f"output={output}: {model.path} has {len(model.outputs)} outputs, numbered from 0"
        )
    tensor = model.outputs[output]
    if len(tensor.shape) not in (2, 4) or tensor.dtype not in _TAKEN:
        raise WeightsError(
            f"{model.path} gives {tensor.dtype} {tensor.shape} at output={output}; "
            "(1, features) or (1, height, width, features), float32, uint8 or int8, is wanted"
        )
    return tensor
