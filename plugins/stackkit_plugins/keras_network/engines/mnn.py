"""Alibaba's MNN: Winograd's algorithm (Lavin and Gray 2016) for 3x3 convolutions, as in VGG."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api import ExtractionError
from stackkit_plugins.keras_network.quiet import descriptors_held

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.keras_network.engines import Compute

_FILE = "network.mnn"

# The command `mnnconvert` reports each use to a server; the function below it does not. It ends
# the process on a graph that it cannot convert, so that it gets one of its own.
_CONVERTER = "import sys, _tools; sys.exit(_tools.mnnconvert(sys.argv))"


def convert(graph: Path, folder: Path) -> None:
    """Write the graph as MNN's own format; raises ExtractionError with the converter's last words."""
    target = folder / _FILE
    arguments = [
        "-f",
        "TF",
        "--modelFile",
        str(graph),
        "--MNNModel",
        str(target),
        "--bizCode",
        "stackkit",
    ]
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own text
        [sys.executable, "-P", "-c", _CONVERTER, *arguments], capture_output=True, text=True, check=False
    )
    if not target.is_file():
        words = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ExtractionError(f"it cannot be converted ({words[-1] if words else 'no reason given'})")


def load(folder: Path, *, size: int, threads: int) -> Compute:
    """The network on the CPU in float32, for batches of any length."""
    del size  # known from the images
    with descriptors_held():  # it prints what the processor can do
        import MNN.expr as expression
        from MNN import nn

        runtime = nn.create_runtime_manager(
            ({"backend": "CPU", "precision": "high", "numThread": threads or _cores()},)
        )
        module = nn.load_module_from_file(str(folder / _FILE), [], [], runtime_manager=runtime)

    def compute(images: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        batch = expression.placeholder(list(images.shape), expression.NHWC, expression.float)
        batch.write(np.ascontiguousarray(images))
        features = expression.convert(module.forward(batch), expression.NCHW)
        return np.array(features.read(), np.float32)  # a copy: MNN owns the other

    return compute


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
