"""A network of an ONNX file: read when something about it is asked, loaded when images come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api import ExtractionError, OptionValue, UsageError, WeightsError
from stackkit_plugins.onnx_file.options import FASTER, REFERENCE, STORED
from stackkit_plugins.onnx_file.outputs import cut, inferred_shape, output_name
from stackkit_plugins.onnx_file.pixels import Pixels, find_pixels
from stackkit_plugins.onnx_file.pooling import Pooling, find_pooling
from stackkit_plugins.onnx_file.reading import OnnxFile, read
from stackkit_plugins.onnx_file.runtimes import LOADERS
from stackkit_plugins.shared.keras_network.engines import Loaded, engine_version
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
        _reduce(file.model, opened.pixels, opened.output)
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

    def load(self, engine: str, threads: int) -> Loaded:
        """Load the network into an engine; raises ExtractionError if it refuses the network."""
        source, opened = self.sources[0], self._opened
        loaded = _loaded(source.path, engine, source.content(), threads)
        poolings = tuple(source.opened.pooling for source in self.sources)
        return OnnxFeatures(source.path, engine, loaded, opened.pixels, opened.shape, poolings)

    @property
    def _opened(self) -> Opened:
        return self.sources[0].opened


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What is known of a network after its file has been read.

    Attributes
    ----------
    digest : str
        SHA-256 of what was read.
    pixels : Pixels
        Its input.
    output : str
        Name of its output.
    shape : tuple of int
        Shape of its output for one image.
    pooling : Pooling
        What its output becomes.

    """

    digest: str
    pixels: Pixels
    output: str
    shape: tuple[int, ...]
    pooling: Pooling


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
            found = _outputs(self.loaded, self.pixels.prepared(images), self.pixels)
        except Exception as error:
            size = self.pixels.size
            text = f"{self.path}: {self.engine} failed on images of {size} pixels: {_line(error)}"
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


def open_network(path: Path, options: Mapping[str, OptionValue]) -> Opened:
    """Read a network and find out what it takes and returns.

    Parameters
    ----------
    path : Path
        An ONNX file.
    options : mapping
        Values of `STORED` that the user gave; they win over the file's metadata.

    Raises
    ------
    UsageError
        If an option is missing, or contradicts the file.
    WeightsError
        If the file is unusable.

    """
    file = read(path)
    said = {**{option.name: option.default for option in STORED}, **_in_metadata(file), **options}
    pixels = find_pixels(file, said)
    output = output_name(file, said["output"])
    model = file.model
    batch = _reduce(model, pixels, output)
    content = model.SerializeToString()
    batch.dim_value = pixels.batch or 1  # for one image, the shape of the output usually follows
    _, *axes = inferred_shape(model) or _computed_shape(path, content, pixels)
    shape = tuple(axes)
    return Opened(
        digest=file.digest,
        pixels=pixels,
        output=output,
        shape=shape,
        pooling=find_pooling(output, shape, said["pooling"], size=pixels.size, layout=pixels.layout),
    )


def _in_metadata(file: OnnxFile) -> dict[str, Any]:
    """Return the options in the file's metadata, such as `stackkit.size`."""
    found = {}
    for option in STORED:
        if text := file.metadata.get(f"stackkit.{option.name}"):
            try:
                # A file has one value of each; several would be several backbones.
                found[option.name] = replace(option, several=None).parse(text)
            except UsageError as error:
                raise WeightsError(f"{file.path}: metadata stackkit.{option.name}: {error}") from error
    return found


def _reduce(model: Any, pixels: Pixels, output: str) -> Any:
    """Keep what one output needs, and state the input's shape; returns the number of images."""
    cut(model, output)
    return _fix_input(model, pixels)


def _fix_input(model: Any, pixels: Pixels) -> Any:
    """State the input's shape; the number of images, which is returned, stays open if it was."""
    value = next(each for each in model.graph.input if each.name == pixels.name)
    batch, *axes = value.type.tensor_type.shape.dim
    if pixels.batch is None:
        batch.dim_param = "images"
    for axis, length in zip(axes, pixels.shape, strict=True):
        axis.dim_value = length
    return batch


def _computed_shape(path: Path, content: bytes, pixels: Pixels) -> tuple[int, ...]:
    """Return the shape of the output for a blank image, by running the network."""
    import numpy as np

    engine = next(filter(engine_version, (REFERENCE, *FASTER)))  # the factory requires one
    blank = np.zeros((1, pixels.size, pixels.size, 3), np.float32)
    loaded = _loaded(path, engine, content, threads=0)
    try:
        output = next(iter(_outputs(loaded, pixels.prepared(blank), pixels)))
    except Exception as error:
        raise WeightsError(
            f"{path}: {engine} failed on a blank image of {pixels.size} pixels: {_line(error)}"
        ) from error
    if not getattr(output, "shape", ()) or output.dtype.kind != "f":
        raise WeightsError(
            f"{path}: its output is not an array of floats per image; pass another one by output="
        )
    return tuple(output.shape)


def _loaded(path: Path, engine: str, content: bytes, threads: int) -> Loaded:
    try:
        return LOADERS[engine](content, threads)
    except Exception as error:
        raise ExtractionError(f"{engine} cannot load {path}: {_line(error)}") from error


def _outputs(loaded: Loaded, pixels: NDArray[Any], definition: Pixels) -> list[NDArray[np.float32]]:
    """Run the network on all images at once, or on as many at a time as the file fixes."""
    import numpy as np

    step = definition.batch
    if step is None:
        return [loaded(pixels)]
    # np.resize repeats images to fill the last batch; the caller drops what is too much.
    starts = range(0, len(pixels), step)
    return [loaded(np.resize(pixels[i : i + step], (step, *pixels.shape[1:]))) for i in starts]


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}…"
