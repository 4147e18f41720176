"""Build and run a network; the only module that imports timm and torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from stackkit.api import UsageError, WeightsError, user_path


@dataclass(frozen=True, kw_only=True)
class Network:
    """A frozen network on its device; `mean` and `std` refer to RGB values from 0 to 1."""

    module: Any
    device: Any
    size: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def identity(self) -> str:
        """Identify the weights, the preprocessing and the version of timm."""
        mean, std = (",".join(f"{value:g}" for value in each) for each in (self.mean, self.std))
        return f"timm-{version('timm')};mean={mean};std={std};sha256-{digest(self.module)}"

    def features(self, images: NDArray[np.uint8], batch_size: int) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 -> (n, width) float32."""
        rows = np.empty((len(images), self.width), np.float32)
        mean, std = (
            255 * torch.tensor(each, device=self.device).reshape(1, 3, 1, 1)
            for each in (self.mean, self.std)
        )
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                some = slice(start, start + batch_size)
                pixels = torch.tensor(images[some], device=self.device).permute(0, 3, 1, 2).float()
                rows[some] = self.module((pixels - mean) / std).cpu().numpy()
        return rows


def build(name: str, *, weights: str, device: str, seed: int) -> Network:
    """Build a network in inference mode; raise UsageError or WeightsError if that is impossible."""
    place = _device(device)
    if not timm.is_model(name):
        near = (
            ", ".join(get_close_matches(name, timm.list_models(), n=3)) or "none, see timm.list_models()"
        )
        raise UsageError(f"timm has no network {name!r}; similar names: {near}")
    with torch.random.fork_rng(devices=[]):  # keep the caller's random state
        torch.manual_seed(seed)
        module = _created(name, pretrained=weights == "pretrained")
    if weights not in ("pretrained", "random"):
        _load(module, name, user_path(weights))
    module = module.eval().requires_grad_(False).to(place)
    config = timm.data.resolve_model_data_config(module)
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise UsageError(
            f"{name} must take square RGB images, got an input of {channels}x{height}x{width}"
        )
    with torch.inference_mode():
        answer = module(torch.zeros(1, channels, height, width, device=place))
    if not isinstance(answer, torch.Tensor) or answer.ndim != 2:
        raise UsageError(f"{name} must return one feature vector per image; choose another network")
    return Network(
        module=module,
        device=place,
        size=height,
        width=answer.shape[1],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def digest(module: Any) -> str:
    """Return the SHA-256 of all weights and running statistics, in the order of their names."""
    content = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        content.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return content.hexdigest()


def _created(name: str, *, pretrained: bool) -> Any:
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0)
    except Exception as error:  # clients of model hubs raise many types; without a download it is a bug
        if not pretrained:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(
            f"cannot load the pretrained weights of {name} ({reason}); pass weights=random or the path "
            "of a checkpoint"
        ) from error


def _load(module: Any, name: str, file: Path) -> None:
    """Load every weight from a checkpoint; its classifier is ignored."""
    if not file.is_file():
        raise WeightsError(f"weights={file}: file not found; pass pretrained, random, or a path")
    try:
        state = timm.models.load_state_dict(str(file), weights_only=True)
        missing = module.load_state_dict(state, strict=False).missing_keys
    except Exception as error:  # pickle, zip and shape errors have many types
        raise WeightsError(f"{file} does not fit {name}: {' '.join(str(error).split())}") from error
    if missing:
        raise WeightsError(
            f"{file} does not fit {name}: {len(missing)} weights are missing ({missing[0]}, ...)"
        )


def _device(device: str) -> Any:
    found = torch.cuda.is_available()
    if device == "gpu" and not found:
        raise UsageError("timm: device=gpu, but torch found no GPU; use device=cpu")
    return torch.device("cuda" if found and device != "cpu" else "cpu")
