"""Alibaba's MNN: Winograd's algorithm (Lavin and Gray 2016) for 3x3 convolutions, as in VGG."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api import ExtractionError
from stackkit_plugins.keras_network.quiet import descriptors_held

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILE = "network.mnn"

_LIMIT_S = 600
"""When a converter that does not end is ended; it takes seconds, up to a minute on a busy machine."""

# The command `mnnconvert` reports each use to a server; the function below it does not. It ends
# the process on a graph that it cannot convert, so that it gets one of its own.
_CONVERTER = "import sys, _tools; sys.exit(_tools.mnnconvert(sys.argv))"


@dataclass(frozen=True)
class Module:
    """A loaded network, and the part of MNN that makes its input."""

    network: Any
    expression: Any

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Features; a copy, since MNN owns the other."""
        import numpy as np

        mnn = self.expression
        batch = mnn.placeholder(list(images.shape), mnn.NHWC, mnn.float)
        batch.write(np.ascontiguousarray(images))
        features = mnn.convert(self.network.forward(batch), mnn.NCHW)
        return np.array(features.read(), np.float32)

    def release(self) -> None:
        """Give back activations, those of all of MNN's networks."""
        self.expression.gc(True)


def convert(graph: Path, folder: Path) -> None:
    """Write the graph as MNN's own format.

    Raises ExtractionError with the converter's last words, or if it does not come to an end.
    """
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
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own text
            [sys.executable, "-P", "-c", _CONVERTER, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ExtractionError(f"its converter did not end within {_LIMIT_S} s") from error
    if not target.is_file():
        words = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ExtractionError(f"it cannot be converted ({words[-1] if words else 'no reason given'})")


def load(folder: Path, *, size: int, threads: int) -> Module:
    """The network on the CPU in float32, for batches of any length."""
    del size  # known from the images
    with descriptors_held():  # it prints what the processor can do
        import MNN.expr as expression
        from MNN import nn

        runtime = nn.create_runtime_manager(
            ({"backend": "CPU", "precision": "high", "numThread": threads or _cores()},)
        )
        module = nn.load_module_from_file(str(folder / _FILE), [], [], runtime_manager=runtime)
    return Module(module, expression)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
