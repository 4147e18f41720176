"""Build a network with timm and torch, both of which this module imports."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import timm
import torch

from stackkit.api import UsageError, WeightsError
from stackkit_plugins.timm.facts import Facts
from stackkit_plugins.timm.features import Features
from stackkit_plugins.timm.hub import downloaded
from stackkit_plugins.timm.weights import FromFile, FromHub, Network, RandomWeights, Weights


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


def build(name: str, network: Network, weights: Weights, file: Path | None) -> Built:
    """Build a network with its weights.

    Parameters
    ----------
    name : str
        Name of the backbone, for messages.
    network : Network
        What is built.
    weights : RandomWeights, FromHub or FromFile
        Where its weights come from.
    file : Path or None
        Its weights; None for random ones.

    Raises
    ------
    UsageError
        If timm has no such network, or it does not fit the options.
    WeightsError
        If weights are damaged or those of another network.

    """
    config, size, sized = _sizes(name, network)
    if isinstance(weights, RandomWeights):
        module = _random(name, network, sized, weights.seed)
    else:
        assert file is not None
        module = _pretrained(name, network, sized, config, weights, file)
    return _wrapped(name, network, config, size, module)


def measure(name: str, network: Network) -> Facts:
    """Return the facts of a network without its weights; raises UsageError as `build` does."""
    config, size, sized = _sizes(name, network)
    return _wrapped(name, network, config, size, _random(name, network, sized, seed=0)).facts


def locate(name: str, model: str) -> Path:
    """Return the file of weights from the hub, downloaded if necessary; raises WeightsError."""
    return _from_hub(model, _configuration(name, model))


def _sizes(name: str, network: Network) -> tuple[dict[str, Any], int, dict[str, int]]:
    """Return timm's configuration, the side of the images, and what creates a network for it."""
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
    return config, size, sized


def _wrapped(name: str, network: Network, config: dict[str, Any], size: int, module: Any) -> Built:
    wrapped = Features(module, tokens=network.tokens, mean=config["mean"], std=config["std"], name=name)
    wrapped = wrapped.eval().requires_grad_(False)
    return Built(
        module=wrapped,
        facts=Facts(
            model=".".join(filter(None, (config["architecture"], config["tag"]))),
            size=size,
            width=_width(name, network, wrapped, size),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
        ),
    )


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
    name: str,
    network: Network,
    sized: dict[str, int],
    config: dict[str, Any],
    weights: FromHub | FromFile,
    file: Path,
) -> Any:
    """Create a network with every weight from a file, then remove its classifier.

    timm loads strictly, so that no weight is missing or left over, only into a network with the
    classifier of the file. A file may be fine-tuned on other classes, or have no classifier.
    """
    state = _state(file, weights)
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


def _state(file: Path, weights: FromHub | FromFile) -> dict[str, Any]:
    """Read a checkpoint without running code from it; raises WeightsError."""
    try:
        found: dict[str, Any] = timm.models.load_state_dict(str(file), weights_only=True)
    except Exception as error:  # pickle, zip, safetensors and the file system have their own types
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        # The hub's folder has a link to the file, and links to the same file again.
        again = f"delete {file.resolve()}, and it is downloaded again"
        remedy = again if isinstance(weights, FromHub) else "download or copy it again"
        raise WeightsError(
            f"{file} is not a complete checkpoint of plain tensors ({reason}); {remedy}"
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
