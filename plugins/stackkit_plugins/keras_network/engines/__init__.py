"""Engines beside TensorFlow: a frozen graph in, a function from images to features out.

Each is a module of this package, named after the engine, with what `Engine` asks for. Their
packages are optional (`pip install 'stackkit[fast]'`) and imported at the last moment.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONVERTED = ("openvino", "mnn")
"""Names of the engines, which are also those of their distributions."""

if TYPE_CHECKING:
    Compute: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """(n, size, size, 3) RGB of 0 to 255 -> (n, feature_dim); both float32."""


@runtime_checkable
class Loaded(Protocol):
    """A network in an engine: a `Compute` that can be told to wait."""

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """As `Compute`."""

    def release(self) -> None:
        """Give back the memory of activations, until the next call."""


class Engine(Protocol):
    """What a module of this package offers."""

    def convert(self, graph: Path, folder: Path) -> None:
        """Write the frozen TensorFlow graph in the engine's own format into `folder`."""

    def load(self, folder: Path, *, size: int, threads: int) -> Loaded:
        """The function that what `convert` wrote computes, on so many threads; 0 means all cores."""


def engine(name: str) -> Engine:
    """The engine of that name."""
    return cast(Engine, import_module(f"{__name__}.{name}"))


def engine_version(name: str) -> str | None:
    """Version of an engine's distribution, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
