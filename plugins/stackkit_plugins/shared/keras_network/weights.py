"""Where a network's weights come from, and the text that identifies them in a revision."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stackkit.api import WeightsError, user_path


@dataclass(frozen=True, kw_only=True)
class RandomWeights:
    """Random weights drawn from a seed, for tests without a download."""

    seed: int

    trained = False
    is_here = True

    def identity(self) -> str:
        """Return a text that identifies these weights; Keras' version decides the order of draws."""
        return f"random-seed-{self.seed}-keras-{version('keras')}"

    def recheck(self) -> None:
        """Do nothing: there is no file that could change."""


@dataclass(kw_only=True)
class FileWeights:
    """A file of pretrained weights, identified by the SHA-256 of its content.

    Parameters
    ----------
    path : Path
        The file may be missing if building the network downloads it.
    sha256_prefix : str
        First digits that the SHA-256 must have; empty if it is not known.

    """

    path: Path
    sha256_prefix: str = ""
    _digest: str = ""

    trained = True

    @property
    def is_here(self) -> bool:
        """Whether the file exists now."""
        return self.path.is_file()

    def identity(self) -> str:
        """Return a text that identifies these weights; raises WeightsError if the file is unusable.

        The digest is computed once per object; `recheck` notices changes after that.
        """
        # Files have up to 1.4 GB, and a revision is read several times per run.
        self._digest = self._digest or self._read_digest()
        return f"sha256-{self._digest}"

    def recheck(self) -> None:
        """Raise WeightsError if the file has changed since `identity`; call this after loading it.

        Otherwise features of the new content would be stored under the revision of the old one.
        """
        # Compared by content and not by modification time, which a copy or a sync tool may preserve.
        now = self._read_digest()
        if self._digest not in {"", now}:
            raise WeightsError(f"{self.path} changed while it was in use; run the command again")
        self._digest = now

    def _read_digest(self) -> str:
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise WeightsError(f"{self.path} cannot be read ({error}); pass another file") from error
        if not digest.startswith(self.sha256_prefix):
            raise WeightsError(
                f"{self.path} is damaged: its SHA-256 starts with {digest[:8]}, "
                f"expected {self.sha256_prefix}; install or download it again"
            )
        return digest


def named_file(text: str, copy: Path | None = None) -> FileWeights:
    """Return the weights of option `weights=PATH`; raises WeightsError if there is no file.

    A copy of the file is used in its place: the path is perhaps that of another machine.
    """
    path = copy or user_path(text)
    if missing := missing_file(path):
        raise WeightsError(
            f"weights={text}: {missing}; pass imagenet, random, or the path of a weights file"
        )
    return FileWeights(path=path)


def missing_file(path: Path) -> str | None:
    """Return why `path` is not a file, or None."""
    if path.is_file():
        return None
    return f"{path} is a folder, not a file" if path.is_dir() else f"file {path} does not exist"


def draw_weights(network: Any, seed: int) -> None:
    """Draw every kernel of a network from a seed; all other weights keep their initial constants.

    Keras' own initialisers depend on a global seed.

    Parameters
    ----------
    network : keras.Model
        Modified in place.
    seed : int
        Seed of NumPy's generator.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015, for the scale:
    with it, signals neither vanish nor explode.

    """
    import numpy as np

    generator = np.random.default_rng(seed)
    # Biases, and the statistics of batch normalisation, stay 0 and 1: a random variance could be
    # close to 0 and let features overflow.
    for weight in network.weights:
        if "kernel" in weight.name:
            shape = tuple(weight.shape)
            # A depthwise kernel (height, width, channels, 1) has one input per output.
            inputs = math.prod(shape[:2] if shape[-1] == 1 else shape[:-1])
            scale = np.float32(math.sqrt(2 / inputs))
            weight.assign(scale * generator.standard_normal(shape, np.float32))
