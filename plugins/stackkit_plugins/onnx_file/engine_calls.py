"""Load a network into an engine and run it, with the engines' errors as one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api import ExtractionError
from stackkit_plugins.onnx_file.pixels import Pixels
from stackkit_plugins.onnx_file.runtimes import LOADERS
from stackkit_plugins.shared.keras_network.engines import Loaded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def loaded_by(path: Path, engine: str, content: bytes, threads: int) -> Loaded:
    """Load a network into an engine; raises ExtractionError if it refuses the network."""
    try:
        return LOADERS[engine](content, threads)
    except Exception as error:
        raise ExtractionError(f"{engine} cannot load {path}: {one_line(error)}") from error


def outputs_of(loaded: Loaded, pixels: NDArray[Any], definition: Pixels) -> list[NDArray[np.float32]]:
    """Run the network on all images at once, or on as many at a time as the file fixes."""
    import numpy as np

    step = definition.batch
    if step is None:
        return [loaded(pixels)]
    # np.resize repeats images to fill the last batch; the caller drops what is too much.
    starts = range(0, len(pixels), step)
    return [loaded(np.resize(pixels[i : i + step], (step, *pixels.shape[1:]))) for i in starts]


def one_line(error: Exception) -> str:
    """Return an error of an engine as one line of at most 300 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}…"
