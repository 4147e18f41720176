"""Read an ONNX file and the data files that it names, each once, so that a digest says what was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from stackkit.api import WeightsError

_LARGEST = 2**31 - 1
"""Bytes of the largest protocol buffer, which is how engines receive a network."""


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """A network as it was read.

    Attributes
    ----------
    path : Path
        The file.
    model : onnx.ModelProto
        Its content; all weights are inside.
    digest : str
        SHA-256 of the file, and of the data files that it names.

    """

    path: Path
    model: Any
    digest: str

    @property
    def metadata(self) -> dict[str, str]:
        """The file's metadata."""
        return {entry.key: entry.value for entry in self.model.metadata_props}


def read(path: Path) -> OnnxFile:
    """Read an ONNX file; raises WeightsError if it is unusable."""
    import onnx
    from google.protobuf.message import DecodeError

    content = _bytes(path)
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise WeightsError(f"{path} is not an ONNX file, or it is truncated") from error
    if not model.graph.node or not model.graph.output:
        raise WeightsError(f"{path} is not an ONNX file, or it is truncated: it contains no network")
    digest = hashlib.sha256(content)
    # In a fixed order: the digest depends on contents, and not on where the first tensor refers to.
    for data in _embed(path, model):
        digest.update(hashlib.sha256(data).digest())
    return OnnxFile(path=path, model=model, digest=digest.hexdigest())


def _embed(path: Path, model: Any) -> list[bytes]:
    """Put weights from data files into the model; return the files' contents in order of their names."""
    from onnx import TensorProto

    files: dict[str, bytes] = {}
    size = path.stat().st_size
    for tensor in tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if location not in files:
            files[location] = _bytes(_beside(path, location))
        try:
            start = int(entries.get("offset", 0))
            end = start + int(entries["length"]) if "length" in entries else len(files[location])
        except ValueError as error:
            raise WeightsError(f"{path} is damaged: {tensor.name} has no valid position") from error
        if not 0 <= start <= end <= len(files[location]):
            raise WeightsError(
                f"{path.parent / location} is truncated: {tensor.name} ends at byte {end:,}, "
                f"but the file has {len(files[location]):,}"
            )
        size += end - start  # and not sizes of files: many tensors may refer to the same bytes
        if size > _LARGEST:
            raise WeightsError(f"{path} and its data exceed 2 GB; export it with fewer weights")
        tensor.raw_data = files[location][start:end]
        tensor.ClearField("external_data")
        tensor.data_location = TensorProto.DEFAULT
    return [files[name] for name in sorted(files)]


def _beside(path: Path, location: str) -> Path:
    """Return the path of a data file; raises WeightsError if it is not below the folder of `path`."""
    # A file from elsewhere must not make stackkit read what the user did not name. Windows' rules
    # apply too, because a backslash or a drive letter has a meaning only there. Links are followed:
    # model hubs keep their files behind links, and a link is something that the user has made.
    for parts in (PurePosixPath(location), PureWindowsPath(location)):
        if not location or parts.is_absolute() or parts.drive or ".." in parts.parts:
            raise WeightsError(
                f"{path} refers to data outside its folder ({location or 'no file'}), which is refused; "
                "save it with its data beside it"
            )
    return path.parent / location


def _bytes(path: Path) -> bytes:
    # A pipe or a device would be read without an end.
    if not path.is_file():
        raise WeightsError(
            f"file {path} does not exist; an ONNX file and its data must be in one folder"
        )
    try:
        if path.stat().st_size > _LARGEST:
            raise WeightsError(f"{path} exceeds 2 GB; export it with fewer weights")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error})") from error


def tensors(model: Any) -> Iterator[Any]:
    """Yield every tensor of a model, also those of nodes' attributes and of graphs inside nodes."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
        for node in nodes:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                graphs += [attribute.g] if attribute.HasField("g") else []
                graphs += attribute.graphs
        nodes = []
