"""Intel's OpenVINO: convolutions by oneDNN, with layers fused and data laid out for the CPU."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILE = "network.xml"


@dataclass(frozen=True)
class Compiled:
    """A compiled network and its inference request."""

    network: Any
    request: Any

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Compute features; returns a copy, because the next batch overwrites the request's memory."""
        results = self.request.infer([images], share_inputs=True)
        features: NDArray[np.float32] = results[self.network.output(0)].copy()
        return features

    def release(self) -> None:
        """Release activations."""
        self.network.release_memory()


def convert(graph: Path, folder: Path) -> None:
    """Convert the graph to OpenVINO's own format, with weights in float32."""
    openvino = _openvino()
    openvino.save_model(openvino.Core().read_model(graph), folder / _FILE, compress_to_fp16=False)


def load(folder: Path, *, size: int, threads: int) -> Compiled:
    """Load the network for the CPU in float32 and batches of any length."""
    core = new_core()
    # Read the file instead of mapping it into memory: if a mapped file shrinks, the operating system
    # kills the process.
    core.set_property({"ENABLE_MMAP": False})
    network = core.read_model(folder / _FILE)
    network.reshape([-1, size, size, 3])
    return compiled(core, network, threads=threads)


def compiled(core: Any, network: Any, *, threads: int) -> Compiled:
    """Compile a network of one input and one output for the CPU in float32; 0 threads: all cores."""
    # Without the hint OpenVINO computes in bfloat16 on processors that support it, and features differ.
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    model = core.compile_model(network, "CPU", settings)
    return Compiled(model, model.create_infer_request())


def new_core() -> Any:
    """Return an `openvino.Core`."""
    return _openvino().Core()


def _openvino() -> Any:
    # OpenVINO depends on a package that reports its use to Intel, and reports nothing if that package
    # cannot be imported. stackkit calls no function that reports; this makes sure of it.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
