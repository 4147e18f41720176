"""Convert a network of torch to OpenVINO once, and load the result in later runs without torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit_plugins.shared.keras_network.engine_cache import EngineCache, EngineSelection
from stackkit_plugins.shared.keras_network.engines import openvino as engine
from stackkit_plugins.shared.keras_network.options import RunSettings

if TYPE_CHECKING:
    from stackkit_plugins.shared.keras_network.engines import Loaded
    from stackkit_plugins.timm.network import Built

_ENGINE = "openvino"
_SETTINGS = RunSettings(engine=_ENGINE)
"""A conversion depends on no setting, so all share one entry."""


def load_converted(cache: EngineCache, built: Callable[[], Built], *, size: int, threads: int) -> Loaded:
    """Load the converted network, which is made unless an intact one is in the cache.

    Parameters
    ----------
    cache : EngineCache
        Of the backbone's revision.
    built : callable
        Returns the network in torch.
    size : int
        Side of the images in pixels.
    threads : int
        CPU threads; 0: all cores.

    """
    known = cache.converted(_ENGINE)
    if known is None:
        with cache.converting() as scratch:
            made = scratch / "made"
            made.mkdir()
            _convert(built(), made)
            folder, files = cache.adopt(_ENGINE, made)
        known = EngineSelection(engine=_ENGINE, device="cpu", batch_size=1, folder=folder, files=files)
        cache.remember(_SETTINGS, known)
    return engine.load(cache.folder / known.folder, size=size, threads=threads)


def _convert(built: Built, folder: Path) -> None:
    """Trace the network and write OpenVINO's own format, with weights in float32."""
    engine.new_core()  # first, as it keeps OpenVINO from reporting its use
    import openvino
    import torch

    size = built.facts.size
    with torch.inference_mode(), warnings.catch_warnings():
        # The tracer warns that sizes become constants of the graph. Only the number of images must not:
        # the example has another number of images than the comparison with torch.
        warnings.simplefilter("ignore")
        model = openvino.convert_model(
            built.module, example_input=torch.zeros(2, size, size, 3), input=[-1, size, size, 3]
        )
    openvino.save_model(model, folder / "network.xml", compress_to_fp16=False)
