"""Load a network, as bytes, into ONNX Runtime or OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackkit_plugins.shared.keras_network.engines import Loaded, openvino

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Session:
    """A network in ONNX Runtime."""

    session: Any

    def __call__(self, images: NDArray[Any], /) -> NDArray[np.float32]:
        """Compute the only output."""
        name = self.session.get_inputs()[0].name
        output: NDArray[np.float32] = self.session.run(None, {name: images})[0]
        return output

    def release(self) -> None:
        """Do nothing: activations are not kept."""


def on_onnxruntime(content: bytes, threads: int) -> Session:
    """Load a network into ONNX Runtime; 0 threads means all cores."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # its builds for Windows report by default
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what is wrong is raised, too
    # Activations are freed after each call; otherwise those of several networks add up.
    options.enable_cpu_mem_arena = False
    # Without the fallback to other devices, which prints and tries again.
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"], enable_fallback=0
    )
    return Session(session)


def on_openvino(content: bytes, threads: int) -> openvino.Compiled:
    """Load a network into OpenVINO; 0 threads means all cores."""
    core = openvino.new_core()
    return openvino.compiled(core, core.read_model(content), threads=threads)


LOADERS: dict[str, Callable[[bytes, int], Loaded]] = {
    "onnxruntime": on_onnxruntime,
    "openvino": on_openvino,
}
