"""The backbone: run a model file with the interpreter of TensorFlow Lite."""

from __future__ import annotations

import os
import warnings
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import UsageError, WeightsError, user_path
from stackkit_tflite.modelfile import ModelFile, Tensor, unavailable_reason, read_model
from stackkit_tflite.pixels import features, input_levels

VERSION = 1
"""Part of every revision; increase it when the computation from pixels to features changes."""

_TAKEN = ("float32", "uint8", "int8")


class TFLite:
    """A network that processes one image at a time.

    Converted networks have a fixed batch size of 1, and their kernels are optimised for it. It also
    guarantees that rows are independent.
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
        with self._lock:  # an interpreter has only one set of buffers
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
            raise WeightsError(
                f"{self._model.path} cannot be run ({reason}); convert or download it again"
            ) from error
        return interpreter


def tflite(
    *, model: str | None, low: float | str, high: float | str, output: int, threads: int
) -> TFLite:
    """Make a backbone from the file `model`; raise UsageError or WeightsError if it is unsuitable."""
    if not model:
        raise UsageError(f"tflite: {unavailable_reason(model=model)}")
    if missing := unavailable_reason(model=model):
        raise WeightsError(f"tflite: {missing}")
    file = read_model(user_path(model))
    return TFLite(file, low=low, high=high, output=output, threads=threads)


def _interpreter_class() -> Any:
    """Return the interpreter of LiteRT, or the same one from TensorFlow, which stackkit depends on."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        # Not in catch_warnings(): restoring filters may undo a change of another thread.
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        return tf.lite.Interpreter
    return Interpreter


def _input(model: ModelFile) -> Tensor:
    found = ", ".join(f"{each.dtype} {each.shape}" for each in model.inputs)
    expected = "one input of shape (1, size, size, 3) and type float32, uint8 or int8"
    if len(model.inputs) != 1 or model.inputs[0].dtype not in _TAKEN:
        raise WeightsError(f"{model.path} must have {expected}, got {found}")
    (tensor,) = model.inputs
    if len(tensor.shape) != 4 or tensor.shape != (1, tensor.shape[1], tensor.shape[1], 3):
        raise WeightsError(f"{model.path} must have {expected}, got {found}")
    return tensor


def _chosen(model: ModelFile, output: int) -> Tensor:
    if output >= len(model.outputs):
        raise UsageError(
            f"output must be < {len(model.outputs)}, the number of outputs of {model.path}, got {output}"
        )
    tensor = model.outputs[output]
    if len(tensor.shape) not in (2, 4) or tensor.dtype not in _TAKEN:
        raise WeightsError(
            f"output={output} of {model.path} must have shape (1, features) or (1, height, width, "
            f"features) and type float32, uint8 or int8, got {tensor.dtype} {tensor.shape}"
        )
    return tensor
