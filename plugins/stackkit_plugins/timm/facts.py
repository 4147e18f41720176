"""Remember what only a built network knows, so that a later run need not import torch for it."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stackkit.api import engines_dir
from stackkit_plugins.shared.keras_network.engines import engine_version
from stackkit_plugins.timm.weights import Network, Weights

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a network turned out to be.

    Attributes
    ----------
    model : str
        Name in timm with the tag of the weights, which the user may leave out.
    size : int
        Side of the images in pixels.
    width : int
        Number of features.
    mean, std : tuple of float
        Of the pixels that the network was trained on, red, green and blue from 0 to 1.
    file : str
        Path of the weights file from the hub; empty until it is needed.

    """

    model: str
    size: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    file: str = ""


def recall(network: Network, weights: Weights) -> Facts | None:
    """Return the facts of an earlier run, or None if there are none."""
    try:
        found = json.loads(_file(network, weights).read_text(encoding="utf-8"))
        mean, std = (tuple(map(float, found[name])) for name in ("mean", "std"))
        size, width = int(found["size"]), int(found["width"])
        model, file = str(found["model"]), str(found["file"])
        facts = Facts(model=model, size=size, width=width, mean=mean, std=std, file=file)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # missing or damaged: build the network again
    return facts if Path(facts.file).is_file() else replace(facts, file="")


def remember(network: Network, weights: Weights, facts: Facts) -> None:
    """Store the facts, unless the folder is not writable."""
    file = _file(network, weights)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place, so that a reader never sees half of it.
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(json.dumps(asdict(facts)), encoding="utf-8")
        temporary.replace(file)


def _file(network: Network, weights: Weights) -> Path:
    content = json.dumps([_FORMAT, engine_version("timm"), asdict(network), weights.text])
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return engines_dir() / f"timm-{digest}" / "facts.json"
