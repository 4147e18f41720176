"""Intel's OpenVINO: convolutions through oneDNN, with layers fused and laid out for the CPU."""

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
    """A compiled network and its one request."""

    network: Any
    request: Any

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Features; the result lies in the request's own memory, which the next batch overwrites."""
        results = self.request.infer([images], share_inputs=True)
        features: NDArray[np.float32] = results[self.network.output(0)].copy()
        return features

    def release(self) -> None:
        """Give back activations."""
        self.network.release_memory()


def convert(graph: Path, folder: Path) -> None:
    """Write the graph as OpenVINO's own format, weights in full precision."""
    openvino = _openvino()
    openvino.save_model(openvino.Core().read_model(graph), folder / _FILE, compress_to_fp16=False)


def load(folder: Path, *, size: int, threads: int) -> Compiled:
    """The network on the CPU in float32, for batches of any length."""
    openvino = _openvino()
    core = openvino.Core()
    # Mapped into memory, a file that shrinks would end the process.
    core.set_property({"ENABLE_MMAP": False})
    network = core.read_model(folder / _FILE)
    network.reshape([-1, size, size, 3])
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(network, "CPU", settings)
    return Compiled(compiled, compiled.create_infer_request())


def _openvino() -> Any:
    # OpenVINO brings a package that reports its use to Intel and treats its absence as a refusal.
    # Nothing that stackkit calls would use it; without it nothing can.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
