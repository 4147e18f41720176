"""Read the inputs and outputs of a .tflite file without importing a runtime.

The backbone takes image size, feature dimension and revision from here. If all features are stored, a
run imports nothing slow. The file is a FlatBuffer; field numbers are those of TensorFlow's schema.fbs.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackkit.api import WeightsError, user_path

_IDENTIFIER = b"TFL3"
_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 7: "int16", 9: "int8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output; a value q means scale * (q - zero_point), and scale 0 means unquantized."""

    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """Description of a model file."""

    path: Path
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def content(self) -> bytes:
        """Read the file again; raise WeightsError if it changed since it was described."""
        content = _read(self.path)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise WeightsError(f"{self.path} changed while it was in use; run the command again")
        return content


def unavailable_reason(*, model: str | None, **others: object) -> str | None:
    """Return what is missing before the backbone can be used, or None."""
    del others
    if not model:
        return "model= is required, the path of a model file, for example tflite:model=mobilenet.tflite"
    path = user_path(model)
    return None if path.is_file() else f"model={model}: file not found"


def read_model(path: Path) -> ModelFile:
    """Describe the file; raise WeightsError if it is not a complete TensorFlow Lite model."""
    content = _read(path)
    if content[4:8] != _IDENTIFIER:
        raise WeightsError(
            f"{path} is not a TensorFlow Lite model; pass a file written by tf.lite's converter"
        )
    try:
        graph = _Table.root(content).tables(2)[0]
        tensors = graph.tables(0)
        inputs, outputs = (
            tuple(_tensor(tensors[number]) for number in graph.numbers(field, "i")) for field in (1, 2)
        )
    except (struct.error, IndexError) as error:
        raise WeightsError(f"{path} is damaged ({error}); convert or download it again") from error
    digest = hashlib.sha256(content).hexdigest()
    return ModelFile(path=path, sha256=digest, inputs=inputs, outputs=outputs)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error}); pass another file") from error


def _tensor(table: _Table) -> Tensor:
    number = table.number(1, "b")
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    for quantization in table.optional_table(4):
        scales, zero_points = quantization.numbers(2, "f"), quantization.numbers(3, "q")
    return Tensor(
        shape=table.numbers(0, "i"),
        dtype=_TYPES.get(number, f"type {number}"),
        scale=scales[0] if scales else 0.0,
        zero_point=zero_points[0] if zero_points else 0,
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a FlatBuffer; its vtable has the offset of each field, or 0 if it is absent."""

    content: bytes
    start: int

    @classmethod
    def root(cls, content: bytes) -> _Table:
        """Return the root table of the file."""
        return cls(content, struct.unpack_from("<I", content)[0])

    def number(self, field: int, code: str) -> int:
        """Return a number stored in the table, 0 if it is absent."""
        place = self._place(field)
        return int(self._unpack(code, place)[0]) if place else 0

    def numbers(self, field: int, code: str) -> tuple[Any, ...]:
        """Return a vector of numbers."""
        place = self._target(field)
        return self._unpack(f"{self._length(place)}{code}", place + 4) if place else ()

    def tables(self, field: int) -> list[_Table]:
        """Return a vector of tables."""
        place = self._target(field)
        if not place:
            return []
        items = [place + 4 + 4 * item for item in range(self._length(place))]
        return [_Table(self.content, item + self._unpack("I", item)[0]) for item in items]

    def optional_table(self, field: int) -> list[_Table]:
        """Return a single table as a list, empty if it is absent."""
        place = self._target(field)
        return [_Table(self.content, place)] if place else []

    def _place(self, field: int) -> int:
        vtable = self.start - self._unpack("i", self.start)[0]
        (size,) = self._unpack("H", vtable)
        entry = 4 + 2 * field
        offset = self._unpack("H", vtable + entry)[0] if entry < size else 0
        return self.start + offset if offset else 0

    def _target(self, field: int) -> int:
        place = self._place(field)
        return place + int(self._unpack("I", place)[0]) if place else 0

    def _length(self, place: int) -> int:
        length = int(self._unpack("I", place)[0])
        if length > len(self.content):
            raise struct.error(f"a vector with {length} items")
        return length

    def _unpack(self, code: str, place: int) -> tuple[Any, ...]:
        if place < 0:
            raise struct.error("an offset before the start of the file")
        return struct.unpack_from(f"<{code}", self.content, place)
