"""Build a network with timm and run it with torch, both of which this module imports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timm
import torch

from stackkit.api import UsageError, WeightsError
from stackkit_plugins.timm.facts import Facts
from stackkit_plugins.timm.hub import downloaded
from stackkit_plugins.timm.weights import FromFile, Network, RandomWeights, Weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Built:
    """A network in inference mode on the CPU.

    Attributes
    ----------
    module : torch.nn.Module
        (n, size, size, 3) float32 RGB from 0 to 255 -> (n, width) float32.
    facts : Facts

    """

    module: Any
    facts: Facts


def build(name: str, network: Network, weights: Weights) -> Built:
    """Build a network with its weights, which are downloaded if necessary.

    Parameters
    ----------
    name : str
        Name of the backbone, for messages.
    network : Network
        What is built.
    weights : RandomWeights, FromHub or FromFile
        Where its weights come from.

    Raises
    ------
    UsageError
        If timm has no such network, or it does not fit the options.
    WeightsError
        If weights are missing, damaged or those of another network.

    """
    config = _configuration(name, network.model)
    channels, native, width = config["input_size"]
    if channels != 3 or native != width:
        raise UsageError(
            f"{name}: {network.model} takes images of {channels}x{native}x{width}; choose a network for "
            "square RGB images"
        )
    size = network.size or native
    # Only networks of a fixed size have to know another one when they are created.
    sized = {"img_size": size} if size != native and config.get("fixed_input_size") else {}
    if isinstance(weights, RandomWeights):
        file = None
        module = _random(name, network, sized, weights.seed)
    else:
        file = weights.path if isinstance(weights, FromFile) else _from_hub(network.model, config)
        module = _pretrained(name, network, sized, config, file)
    wrapped = Features(module, tokens=network.tokens, mean=config["mean"], std=config["std"], name=name)
    wrapped = wrapped.eval().requires_grad_(False)
    return Built(
        module=wrapped,
        facts=Facts(
            size=size,
            width=_width(name, network, wrapped, size),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            file=str(file.absolute()) if file else "",
        ),
    )


class Features(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """Pixels in, features out: the preprocessing, the network, and the choice of tokens.

    Parameters
    ----------
    network : torch.nn.Module
        A network of timm without its classifier.
    tokens : {"auto", "cls", "mean", "both"}
    mean, std : sequence of float
        Of the training images, red, green and blue from 0 to 1.
    name : str
        Name of the backbone, for messages.

    """

    def __init__(self, network: Any, *, tokens: str, mean: Any, std: Any, name: str) -> None:
        super().__init__()
        self.network = network
        self.tokens = tokens
        self.name = name
        for key, values in (("mean", mean), ("std", std)):
            numbers = 255 * torch.tensor(values, dtype=torch.float32)
            self.register_buffer(key, numbers.reshape(1, -1, 1, 1), persistent=False)

    def forward(self, images: Any) -> Any:
        """(n, size, size, 3) RGB from 0 to 255 -> (n, width)."""
        pixels = (images.permute(0, 3, 1, 2) - self.mean) / self.std
        if self.tokens == "auto":
            return self.network(pixels)
        # (n, tokens, width); the first ones are the class token, if there is one, and registers.
        tokens = self.network.forward_features(pixels)
        self._require_tokens(tokens)
        parts = []
        if self.tokens in {"cls", "both"}:
            parts.append(tokens[:, 0])
        if self.tokens in {"mean", "both"}:
            parts.append(tokens[:, self.network.num_prefix_tokens :].mean(dim=1))
        # Some networks normalise only what they have pooled.
        normalise = getattr(self.network, "fc_norm", None) or torch.nn.Identity()
        return torch.cat([normalise(part) for part in parts], dim=1)

    def _require_tokens(self, tokens: Any) -> None:
        network = self.network
        if getattr(tokens, "ndim", 0) != 3 or not hasattr(network, "num_prefix_tokens"):
            raise UsageError(
                f"{self.name}: tokens={self.tokens} is for transformers with a row of tokens, and this "
                "network has another output; use tokens=auto"
            )
        if self.tokens != "mean" and getattr(network, "cls_token", None) is None:
            raise UsageError(
                f"{self.name}: tokens={self.tokens}, but the network has no class token; "
                "use tokens=mean or tokens=auto"
            )


class OnTorch:
    """A network on torch, the reference that OpenVINO is compared with.

    Parameters
    ----------
    module : torch.nn.Module
        See `Built`.
    on_gpu : bool
    threads : int
        CPU threads; 0: as many as torch uses in this process.

    """

    def __init__(self, module: Any, *, on_gpu: bool, threads: int) -> None:
        self._device = torch.device("cuda" if on_gpu else "cpu")
        self._module = module.to(self._device)
        self._threads = threads

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Compute features: (n, size, size, 3) RGB from 0 to 255 -> (n, width), both float32."""
        # TensorFloat-32 has 11 bits of significand, so features would differ from a CPU's by more than
        # rounding although they share one file.
        exact = torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)
        with torch.inference_mode(), exact, _threads(self._threads):
            batch = torch.tensor(images, device=self._device)
            features: NDArray[np.float32] = self._module(batch).float().cpu().numpy()
        return features

    def release(self) -> None:
        """Do nothing: torch keeps no activations between calls."""


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    """Limit torch's threads, which the whole process shares, for one call."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads or before)
        yield
    finally:
        torch.set_num_threads(before)


def _configuration(name: str, model: str) -> dict[str, Any]:
    """Return timm's configuration of a network; raises UsageError if there is no such network."""
    if not timm.is_model(model):
        near = ", ".join(get_close_matches(model, timm.list_models(), n=3)) or "see timm.list_models()"
        raise UsageError(
            f"{name}: timm {timm.__version__} has no network {model!r}; similar names: {near}"
        )
    try:
        found: dict[str, Any] = timm.get_pretrained_cfg(model, allow_unregistered=False).to_dict()
    except RuntimeError as error:  # no such tag
        tags = ", ".join(timm.list_pretrained(f"{model.split('.')[0]}.*")) or "none"
        raise UsageError(f"{name}: timm has no weights {model!r}; it has {tags}") from error
    return found


def _from_hub(model: str, config: dict[str, Any]) -> Path:
    if repository := config.get("hf_hub_id"):
        return downloaded(repository, config.get("hf_hub_filename"))
    elsewhere = f"download {config['url']} and " if config.get("url") else ""
    raise WeightsError(
        f"timm has no weights of {model} on its hub; {elsewhere}pass weights=FILE, or weights=random "
        "for a test run"
    )


def _random(name: str, network: Network, sized: dict[str, int], seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):  # keep the caller's random state
        torch.manual_seed(seed)
        return _created(name, network, sized, num_classes=0)


def _pretrained(
    name: str, network: Network, sized: dict[str, int], config: dict[str, Any], file: Path
) -> Any:
    """Create a network with every weight from a file, then remove its classifier.

    timm loads strictly, so that no weight is missing or left over, only into a network with the
    classifier of the file. A file may be fine-tuned on other classes, or have no classifier.
    """
    state = _state(file)
    failure: Exception | None = None
    for classes in _possible_classes(state, config):
        given = {"state_dict": state, "num_classes": classes, "label_offset": 0, "custom_load": False}
        try:
            with torch.random.fork_rng(devices=[]):
                module = _created(
                    name,
                    network,
                    sized,
                    pretrained=True,
                    pretrained_cfg_overlay=given,
                    num_classes=classes,
                )
        except UsageError:
            raise
        except Exception as error:  # names, shapes and types that do not fit have many types
            failure = failure or error
            continue
        module.pretrained_cfg = module.default_cfg = None  # they hold the weights a second time
        if classes:
            module.reset_classifier(0)
        return module
    reason = " ".join(str(failure).split())
    reason = reason if len(reason) <= 300 else f"{reason[:300]} ..."
    raise WeightsError(
        f"{file} does not fit {network.model}: {reason}; pass weights of the same network"
    ) from failure


def _state(file: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it; raises WeightsError."""
    try:
        found: dict[str, Any] = timm.models.load_state_dict(str(file), weights_only=True)
    except Exception as error:  # pickle, zip, safetensors and the file system have their own types
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(
            f"{file} is not a complete checkpoint of plain tensors ({reason}); download or copy it again"
        ) from error
    if not found or not all(isinstance(each, torch.Tensor) for each in found.values()):
        raise WeightsError(f"{file} has no state dict of tensors; pass another file")
    return found


def _possible_classes(state: dict[str, Any], config: dict[str, Any]) -> list[int]:
    """Return the numbers of classes that the file may have, the most likely first."""
    names = config.get("classifier") or ()
    first = names if isinstance(names, str) else next(iter(names), "")
    if (weight := state.get(f"{first}.weight")) is not None:
        return [len(weight)]
    # The file has no classifier, or timm renames it on loading.
    return list(dict.fromkeys([0, config["num_classes"]]))


def _created(name: str, network: Network, sized: dict[str, int], **given: Any) -> Any:
    try:
        return timm.create_model(network.model, **sized, **given)
    except (AssertionError, TypeError, ValueError) as error:
        if not sized:
            raise
        raise UsageError(
            f"{name}: size={network.size} does not fit {network.model} "
            f"({' '.join(str(error).split())}); use a multiple of its patch size"
        ) from error


def _width(name: str, network: Network, module: Any, size: int) -> int:
    """Return the number of features, from one black image."""
    try:
        with torch.inference_mode():
            features = module(torch.zeros(1, size, size, 3))
    except UsageError:
        raise
    except Exception as error:  # each network has its own way to refuse a size
        raise UsageError(
            f"{name}: {network.model} does not take images of {size} pixels "
            f"({' '.join(str(error).split())[:200]}); pass another size"
        ) from error
    if not isinstance(features, torch.Tensor) or features.ndim != 2:
        raise UsageError(
            f"{name}: {network.model} does not return one row of features per image; "
            "choose another network"
        )
    return int(features.shape[1])
