"""A network of an ONNX file: read when something about it is asked, loaded when images come."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api import ExtractionError, OptionValue, WeightsError
from stackkit_plugins.onnx_file.engine_calls import loaded_by, one_line, outputs_of
from stackkit_plugins.onnx_file.opened import Opened, open_network, reduce_model
from stackkit_plugins.onnx_file.options import FASTER, REFERENCE
from stackkit_plugins.onnx_file.pixels import Pixels
from stackkit_plugins.onnx_file.pooling import Pooling
from stackkit_plugins.onnx_file.reading import read
from stackkit_plugins.shared.keras_network.engines import Loaded
from stackkit_plugins.shared.keras_network.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
"""Part of every revision. Increase it when the computation from pixels to features changes."""


@dataclass(frozen=True)
class Source:
    """A file with the options for it; it is read when it is needed.

    Parameters
    ----------
    path : Path
        The file.
    options : mapping
        Values of `STORED` that the user gave.

    """

    path: Path
    options: Mapping[str, OptionValue]

    @cached_property
    def opened(self) -> Opened:
        """The network; raises what `open_network` raises."""
        return open_network(self.path, self.options)

    def content(self) -> bytes:
        """Return the network with one output, as an ONNX file; raises WeightsError if it has changed.

        It is read again each time and not kept: an engine has the weights in its own memory.
        """
        opened = self.opened
        file = read(self.path)
        if file.digest != opened.digest:
            raise WeightsError(f"{self.path} changed while it was in use; run the command again")
        reduce_model(file.model, opened.pixels, opened.output)
        content: bytes = file.model.SerializeToString()
        return content


@dataclass(frozen=True)
class OnnxNetwork:
    """The network of an ONNX file, from pixels to features; see `FrozenNetwork`.

    Parameters
    ----------
    sources : tuple of Source
        One; or several that differ in their pooling, for features side by side.

    """

    sources: tuple[Source, ...]

    name = "onnx"
    trained = True
    reference = REFERENCE
    faster = FASTER
    device = "cpu"
    precision = "float32"

    @property
    def label(self) -> str:
        """The name with the file."""
        return f"{self.name}:file={self.sources[0].path}"

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return self._opened.pixels.size

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""
        return sum(source.opened.pooling.feature_dim for source in self.sources)

    @property
    def map_key(self) -> str:
        """What is computed before the pooling: the file's content, input and output."""
        opened = self._opened
        return f"onnx-{VERSION};sha256-{opened.digest};{opened.pixels};output={opened.output}"

    @property
    def revision(self) -> str:
        """The file's content and everything that was found out about input and output."""
        return ";".join([self.map_key, *(str(source.opened.pooling) for source in self.sources)])

    @property
    def weights_file(self) -> Path:
        """The file; raises WeightsError if it keeps weights in further files."""
        source = self.sources[0]
        if hashlib.sha256(source.path.read_bytes()).hexdigest() != source.opened.digest:
            raise WeightsError(
                f"{source.path} keeps weights in further files, which a model cannot take along; save "
                "it as one file"
            )
        return source.path

    def load(self, engine: str, threads: int) -> Loaded:
        """Load the network into an engine; raises ExtractionError if it refuses the network."""
        source, opened = self.sources[0], self._opened
        loaded = loaded_by(source.path, engine, source.content(), threads)
        poolings = tuple(source.opened.pooling for source in self.sources)
        return OnnxFeatures(source.path, engine, loaded, opened.pixels, opened.shape, poolings)

    @property
    def _opened(self) -> Opened:
        return self.sources[0].opened


@dataclass(frozen=True)
class OnnxFeatures:
    """A network in an engine, with the steps before and after it."""

    path: Path
    engine: str
    loaded: Loaded
    pixels: Pixels
    shape: tuple[int, ...]
    poolings: tuple[Pooling, ...]

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """(n, size, size, 3) RGB from 0 to 255 -> (n, feature_dim), both float32."""
        import numpy as np

        output = self._output(images)
        return np.concatenate([pooling(output) for pooling in self.poolings], axis=1)

    def compared(self, images: NDArray[np.float32], /) -> list[NDArray[np.float32]]:
        """Return what to compare of two engines, for each pooling."""
        output = self._output(images)
        return [pooling.compared(output) for pooling in self.poolings]

    def release(self) -> None:
        """Release the memory of activations."""
        self.loaded.release()

    def _output(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Return what the network makes of images; (n, ...)."""
        import numpy as np

        try:
            found = outputs_of(self.loaded, self.pixels.prepared(images), self.pixels)
        except Exception as error:
            size = self.pixels.size
            text = f"{self.path}: {self.engine} failed on images of {size} pixels: {one_line(error)}"
            if len(images) > 1 and self.pixels.batch is None:
                text += "; batch_size=1 may help, if the network was made for single images"
            # MemoryError is what lets the caller try again with fewer images.
            # Its own errors of an engine are told by their text.
            exhausted = is_out_of_memory(error) or is_out_of_memory(RuntimeError(str(error)))
            kind = MemoryError if exhausted else ExtractionError
            raise kind(text) from error
        shapes = [output.shape[1:] for output in found]
        if sum(map(len, found)) < len(images) or set(shapes) != {self.shape}:
            raise ExtractionError(
                f"{self.path}: {self.engine} returned {found[0].shape} for {len(images)} images, "
                f"expected {(len(images), *self.shape)}; pass the name of another output by output="
            )
        return np.concatenate(found)[: len(images)]
