"""Where a network's weights come from, and the name that tells them from all others."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stackkit.api import WeightsError


@dataclass(frozen=True, kw_only=True)
class RandomWeights:
    """Weights drawn from a seed: the plumbing of a backbone without its knowledge."""

    seed: int

    trained = False
    is_here = True

    def identity(self) -> str:
        """Text that names these very weights; the order of draws is up to Keras' version."""
        return f"random-seed-{self.seed}-keras-{version('keras')}"

    def recheck(self) -> None:
        """Nothing to check: they are drawn afresh each time."""


@dataclass(kw_only=True)
class FileWeights:
    """A file of pretrained weights, known by the SHA-256 of its content.

    `sha256_prefix`, where given, are the first digits that the content must have.
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
        """Text that names these very weights; raises WeightsError if the file is unreadable or wrong."""
        self._digest = self._digest or self._read_digest()
        return f"sha256-{self._digest}"

    def recheck(self) -> None:
        """To be called once the file was loaded; raises WeightsError if it is not what `identity` said.

        Features of the new content would else be kept under the name of the old one.
        """
        now = self._read_digest()
        if self._digest not in {"", now}:
            raise WeightsError(f"{self.path} changed while it was in use; run the command again")
        self._digest = now

    def _read_digest(self) -> str:
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise WeightsError(f"{self.path} cannot be read ({error}); give another file") from error
        if not digest.startswith(self.sha256_prefix):
            raise WeightsError(
                f"{self.path} is damaged: its SHA-256 starts with {digest[:8]}, "
                f"{self.sha256_prefix} is wanted; install or download it again"
            )
        return digest


def weights_file(text: str) -> FileWeights:
    """The file that `weights=PATH` names; raises WeightsError if there is none."""
    path = Path(text).expanduser()
    if missing := missing_file(path):
        raise WeightsError(f"weights={text}: {missing}; give imagenet, random, or a weights file's path")
    return FileWeights(path=path)


def missing_file(path: Path) -> str | None:
    """Why `path` is no file, or None."""
    if path.is_file():
        return None
    return f"{path} is a folder, not a file" if path.is_dir() else f"there is no file {path}"


def draw_weights(network: Any, seed: int) -> None:
    """Set every kernel from `seed`; all other weights keep their constant start.

    Keras' own initialisers answer to a global seed. The scale is that of He et al. (2015), under
    which signals neither die out nor explode.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    for weight in network.weights:
        if "kernel" in weight.name:
            shape = tuple(weight.shape)
            # A depthwise kernel (height, width, channels, 1) has one input per output.
            inputs = math.prod(shape[:2] if shape[-1] == 1 else shape[:-1])
            scale = np.float32(math.sqrt(2 / inputs))
            weight.assign(scale * generator.standard_normal(shape, np.float32))
