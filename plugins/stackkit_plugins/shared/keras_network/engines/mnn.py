"""Alibaba's MNN: fast for networks of plain 3x3 convolutions, such as VGG.

References
----------
It uses Winograd's algorithm: A. Lavin and S. Gray, "Fast algorithms for convolutional neural
networks", CVPR 2016.

"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api import ExtractionError
from stackkit_plugins.shared.keras_network.quiet import without_noise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILE = "network.mnn"

_LIMIT_S = 600
"""Time limit of the converter, which takes seconds, or up to a minute on a busy machine."""

# The command `mnnconvert` reports each use to a server; the function that it calls does not. That
# function ends the process if it cannot convert a graph, so it runs in a process of its own.
_CONVERTER = "import sys, _tools; sys.exit(_tools.mnnconvert(sys.argv))"


@dataclass(frozen=True)
class Module:
    """A loaded network, and the module of MNN that creates its input."""

    network: Any
    expression: Any

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Compute features; returns a copy, because MNN reuses its own array."""
        import numpy as np

        mnn = self.expression
        batch = mnn.placeholder(list(images.shape), mnn.NHWC, mnn.float)
        batch.write(np.ascontiguousarray(images))
        features = mnn.convert(self.network.forward(batch), mnn.NCHW)
        return np.array(features.read(), np.float32)

    def release(self) -> None:
        """Release activations, those of all networks in MNN."""
        self.expression.gc(True)


def convert(graph: Path, folder: Path) -> None:
    """Convert the graph to MNN's own format.

    Raises
    ------
    ExtractionError
        If the converter fails, with the last line of its output, or exceeds its time limit.

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
        # -P: nothing is imported from the current folder, which is the user's.
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own text
            [sys.executable, "-P", "-c", _CONVERTER, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ExtractionError(f"its converter did not finish within {_LIMIT_S} s") from error
    if not target.is_file():
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1] if lines else "no reason given"
        raise ExtractionError(f"its converter failed ({reason})")


def load(folder: Path, *, size: int, threads: int) -> Module:
    """Load the network for the CPU in float32 and batches of any length."""
    del size  # taken from the images
    with without_noise():  # MNN prints the features of the processor
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
    except AttributeError:  # not available on every system
        return os.cpu_count() or 1
