"""What an ONNX file takes and returns: found out once, from its options, its metadata and its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stackkit.api import OptionValue, UsageError, WeightsError
from stackkit_plugins.onnx_file.engine_calls import loaded_by, one_line, outputs_of
from stackkit_plugins.onnx_file.options import FASTER, REFERENCE, STORED
from stackkit_plugins.onnx_file.outputs import cut, inferred_shape, output_name
from stackkit_plugins.onnx_file.pixels import Pixels, find_pixels
from stackkit_plugins.onnx_file.pooling import Pooling, find_pooling
from stackkit_plugins.onnx_file.reading import OnnxFile, read
from stackkit_plugins.shared.keras_network.engines import engine_version


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
    batch = reduce_model(model, pixels, output)
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


def reduce_model(model: Any, pixels: Pixels, output: str) -> Any:
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
    loaded = loaded_by(path, engine, content, threads=0)
    try:
        output = next(iter(outputs_of(loaded, pixels.prepared(blank), pixels)))
    except Exception as error:
        raise WeightsError(
            f"{path}: {engine} failed on a blank image of {pixels.size} pixels: {one_line(error)}"
        ) from error
    if not getattr(output, "shape", ()) or output.dtype.kind != "f":
        raise WeightsError(
            f"{path}: its output is not an array of floats per image; pass another one by output="
        )
    return tuple(output.shape)
