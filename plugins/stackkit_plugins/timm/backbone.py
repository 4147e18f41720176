"""Create backbones of networks of timm.

Importing this module imports no framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackkit.api import UsageError, user_path
from stackkit_plugins.shared.keras_network import missing_file
from stackkit_plugins.shared.network import EngineSettings, NetworkBackbone, checked_engine
from stackkit_plugins.timm.facts import recall
from stackkit_plugins.timm.frozen import FrozenTimm
from stackkit_plugins.timm.hub import on_this_machine, weights_folder
from stackkit_plugins.timm.models import MODELS
from stackkit_plugins.timm.weights import FromHub, Network, weights_of

_INSTALL = {
    "torch": "pip install 'stackkit[timm]'",
    "openvino": "pip install 'stackkit[fast]'",
}
_NO_MODEL = "model= is required, for example timm:model=resnet18"


@dataclass(frozen=True, kw_only=True)
class Factory:
    """Create backbones of one network, or of any.

    Parameters
    ----------
    name : str
        Name of the backbone.
    model : str
        Name in timm; empty if it is an option.

    """

    name: str
    model: str = ""

    def __call__(
        self,
        *,
        weights: str,
        size: int | None,
        tokens: str,
        device: str,
        precision: str = "float32",
        seed: int,
        model: str | None = None,
        weights_file: Path | None = None,
        **settings: Any,
    ) -> NetworkBackbone:
        """Create a backbone; the network is built, and weights downloaded, when first needed.

        Parameters
        ----------
        weights : str
            "hub" (downloaded once by huggingface_hub), "random", or the path of a file.
        size : int or None
            Side of the images in pixels; None: that of the network's own configuration.
        tokens : {"auto", "cls", "mean", "both"}
            What a transformer returns: what its own classifier would get, the class token, the mean of
            the patch tokens, or both.
        device, precision : str
            Where torch computes, "auto", "cpu" or "gpu"; and in what, "float32" or "mixed".
        seed : int
            Seed of random weights.
        model : str or None
            Name in timm, for the backbone `timm`.
        weights_file : Path or None
            Where to read the weights, instead of where `weights` says.
        **settings
            Fields of `EngineSettings`.

        Raises
        ------
        UsageError
            If there is no model, or options contradict each other.
        PluginError or WeightsError
            If timm, torch, the engine or the weights file is missing.

        """
        chosen = self.model or model
        if not chosen:
            raise UsageError(f"{self.name}: {_NO_MODEL}")
        engine = EngineSettings(**settings)
        frozen = FrozenTimm(
            name=self.name,
            label=self.name if self.model else f"{self.name}:model={chosen}",
            network=Network(model=chosen, size=size, tokens=tokens),
            requested_device=self._device(engine, device, precision),
            precision=precision,
            weights=weights_of(chosen, weights, seed=seed, file=weights_file),
        )
        return NetworkBackbone(frozen, checked_engine(self.name, engine, install=_INSTALL))

    def _device(self, settings: EngineSettings, requested: str, precision: str) -> str:
        if precision == "mixed" and (requested == "cpu" or settings.engine == "openvino"):
            other = "device=cpu" if requested == "cpu" else "engine=openvino"
            raise UsageError(
                f"{self.name}: precision=mixed requires a GPU, got {other}; remove one of the two"
                " options"
            )
        if settings.engine != "openvino":
            return requested
        if requested == "gpu":
            raise UsageError(
                f"{self.name}: engine=openvino computes on the CPU; device=gpu requires engine=torch"
            )
        return "cpu"

    def unavailable_reason(
        self,
        *,
        weights: str,
        size: int | None = None,
        tokens: str = "auto",
        model: str | None = None,
        **others: Any,
    ) -> str | None:
        """Return what must be downloaded or provided before this backbone can run, or None."""
        del others
        chosen = self.model or model
        if not chosen:
            return _NO_MODEL
        if weights == "random":
            return None
        if weights != "hub":
            return missing_file(user_path(weights))
        # Some weights are in a repository of another name, which only timm knows before they are used.
        network = Network(model=chosen, size=size, tokens=tokens)
        known = recall(network, FromHub())
        if on_this_machine(chosen) or (known and known.file):
            return None
        return f"weights of {chosen} not found in {weights_folder()}; downloaded on first use"


_FACTORIES = {
    "timm": Factory(name="timm"),
    **{each.name.replace("-", "_"): Factory(name=each.name, model=each.model) for each in MODELS},
}


def __getattr__(name: str) -> Factory:
    try:
        return _FACTORIES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
