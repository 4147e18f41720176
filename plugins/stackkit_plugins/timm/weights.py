"""Which network and which weights: what decides about features before anything is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from stackkit.api import WeightsError, user_path
from stackkit_plugins.shared.keras_network import missing_file


@dataclass(frozen=True, kw_only=True)
class Network:
    """What is built.

    Parameters
    ----------
    model : str
        Name in timm.
    size : int or None
        Side of the images in pixels; None: that of the network's own configuration.
    tokens : {"auto", "cls", "mean", "both"}
        What a transformer returns.

    """

    model: str
    size: int | None
    tokens: str


@dataclass(frozen=True, kw_only=True)
class RandomWeights:
    """Random weights drawn by timm from a seed, for tests without a download."""

    seed: int

    trained = False
    text = "random"

    def identity(self) -> str:
        """Return a text that identifies these weights; torch's version decides about the draws."""
        return f"random-seed-{self.seed}-torch-{version('torch')}"


@dataclass(frozen=True, kw_only=True)
class FromHub:
    """The weights that timm names for the network, on the hub or in its cache."""

    trained = True
    text = "hub"


@dataclass(frozen=True, kw_only=True)
class FromFile:
    """A local file with weights of the network, with or without its classifier.

    Parameters
    ----------
    path : Path
        Absolute: what is remembered of a file must not become that of another one with the same relative
        path, when a later command runs in another folder.

    """

    path: Path

    trained = True

    @property
    def text(self) -> str:
        """The absolute path."""
        return str(self.path)


Weights = RandomWeights | FromHub | FromFile


def weights_of(model: str, text: str, *, seed: int, file: Path | None = None) -> Weights:
    """Return what option `weights` asks for; raises WeightsError if it is a file that does not exist.

    `file` is a copy of pretrained weights, which is read instead.
    """
    if text == "random":
        return RandomWeights(seed=seed)
    if file is not None:
        return FromFile(path=file.absolute())
    if text == "hub":
        return FromHub()
    path = user_path(text)
    if missing := missing_file(path):
        raise WeightsError(
            f"{model}: weights={text}: {missing}; pass hub, random, or the path of a file"
        )
    return FromFile(path=path.absolute())
