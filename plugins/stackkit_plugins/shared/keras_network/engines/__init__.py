"""Inference engines besides TensorFlow: they convert a frozen graph and compute its features.

Each engine is a module of this package that implements `Engine`. Their distributions are optional
(`pip install 'stackkit[fast]'`) and imported only when they are used.
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
"""Names of the engines, which are also the names of their distributions."""

if TYPE_CHECKING:
    Compute: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """(n, size, size, 3) RGB from 0 to 255 -> (n, columns), the raw columns of `pooling`; both
    float32.
    """


@runtime_checkable
class Loaded(Protocol):
    """A network loaded into an engine: a `Compute` that can release its memory."""

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Compute features; see `Compute`."""

    def release(self) -> None:
        """Release the memory of activations until the next call."""


class Engine(Protocol):
    """The functions of an engine's module."""

    def convert(self, graph: Path, folder: Path) -> None:
        """Convert a frozen TensorFlow graph to the engine's own format in an empty folder."""

    def load(self, folder: Path, *, size: int, threads: int) -> Loaded:
        """Load what `convert` wrote, for (n, size, size, 3) images; 0 threads means all cores."""


def engine(name: str) -> Engine:
    """Return the module of an engine."""
    return cast(Engine, import_module(f"{__name__}.{name}"))


def engine_version(name: str) -> str | None:
    """Return the version of an engine's distribution, or None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
