"""Read the tensors of a PyTorch checkpoint without PyTorch, and without trusting the file.

The format is the one `torch.save` wrote before PyTorch 1.6: five pickles (magic number, protocol,
machine, state dict, storage keys), then each storage as an int64 element count and its raw bytes.
Pickle can run any code, so only the four constructors that a state dict needs are let through.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api import WeightsError

Array: TypeAlias = NDArray[np.float32] | NDArray[np.int64]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class _MalformedError(Exception):
    """What is wrong with the bytes; becomes a WeightsError that names the file."""


@dataclass(frozen=True, kw_only=True)
class _StorageType:
    """Stands in for torch.FloatStorage and its like: the element type of a storage."""

    dtype: str


@dataclass(frozen=True, kw_only=True)
class _Storage:
    """A flat run of numbers that tensors are views of; its bytes follow the pickles."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """A view of a storage, in elements: where it starts, its shape, its strides."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_checkpoint(path: Path) -> dict[str, Array]:
    """The state dict of a checkpoint in PyTorch's legacy format: tensor name -> array.

    Arrays are float32 or int64, writable, and shaped as PyTorch shapes them (convolutions are
    out, in, height, width). Raises WeightsError if the file cannot be read, is cut short or
    padded, contradicts itself, or names any constructor beyond those of plain tensors.
    """
    try:
        return _parse(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); give another file") from error
    except _MalformedError as error:
        raise WeightsError(
            f"{path} is not a whole checkpoint of plain tensors: {error}; "
            "install or download it again, or give another file"
        ) from error


def _parse(content: bytes) -> dict[str, Array]:
    if content.startswith(b"PK"):
        raise _MalformedError(
            "it has PyTorch's zip format, and the one before is wanted "
            "(torch.save(..., _use_new_zipfile_serialization=False))"
        )
    reader = _PickleReader(content)
    if reader.next() != _MAGIC:
        raise _MalformedError("it does not start with PyTorch's magic number")
    if (protocol := reader.next()) != _PROTOCOL:
        raise _MalformedError(f"its protocol is {protocol!r}, not {_PROTOCOL}")
    _check_machine(reader.next())
    tensors = _state_dict(reader.next())
    order = _storage_order(reader)
    storages = _read_storages(content, reader.position, order)
    return {name: _view(name, tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _check_machine(machine: Any) -> None:
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise _MalformedError("it was not written on a little-endian machine")


def _state_dict(value: Any) -> Mapping[str, _Tensor]:
    if not isinstance(value, dict):
        raise _MalformedError(
            f"it holds a {type(value).__name__} where a dictionary of tensors is wanted"
        )
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise _MalformedError(f"its entry {name!r} is no tensor")
    return value


class _PickleReader:
    """The pickles at the start of a checkpoint, one after the other."""

    def __init__(self, content: bytes) -> None:
        self.position = 0
        self.storages: dict[str, _Storage] = {}
        self._content = content

    def next(self) -> Any:
        """The next object; raises _MalformedError if there is no whole, harmless one."""
        start = self.position
        self.position = _end_of_pickle(self._content, start)
        unpickler = _Unpickler(self._content[start : self.position], self.storages)
        with _as_malformed():
            return unpickler.load()


@contextmanager
def _as_malformed() -> Iterator[None]:
    # A pickle that was tampered with can fail in any way: as a wrong type, index or attribute.
    try:
        yield
    except _MalformedError:
        raise
    except Exception as error:
        raise _MalformedError(f"a pickle in it is damaged ({type(error).__name__}: {error})") from error


def _end_of_pickle(content: bytes, start: int) -> int:
    """Where the pickle that starts at `start` ends; its memo must fit its size."""
    stream = io.BytesIO(content)
    stream.seek(start)
    with _as_malformed():
        for opcode, argument, _ in pickletools.genops(stream):
            # The unpickler makes room for the highest number at once, 64 GB for a few bytes.
            if "PUT" in opcode.name and int(argument or 0) > len(content):
                raise _MalformedError(f"a pickle in it numbers its objects up to {argument}")
    return stream.tell()


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows the constructors of plain tensors and no others."""

    def __init__(self, content: bytes, storages: dict[str, _Storage]) -> None:
        super().__init__(io.BytesIO(content))
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for the allowed constructors; raises _MalformedError for any other."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _MalformedError(f"it asks for {module}.{name}, which no plain tensor needs") from None

    def persistent_load(self, pid: Any) -> _Storage:
        """The storage that ("storage", type, key, device, count, None) announces."""
        match pid:
            case ("storage", _StorageType(dtype=dtype), str(key), str(), int(count), None) if count >= 0:
                storage = _Storage(key=key, dtype=dtype, count=count)
            case _:
                raise _MalformedError(f"it announces a storage as {pid!r:.100}")
        if self._storages.setdefault(key, storage) != storage:
            raise _MalformedError(f"it announces storage {key} twice, differently")
        return storage


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any, hooks: Any
) -> _Tensor:
    """Stands in for torch._utils._rebuild_tensor_v2; gradients and hooks mean nothing here."""
    del requires_grad, hooks
    if not isinstance(storage, _Storage):
        raise _MalformedError("it holds a tensor without a storage")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or any(type(n) is not int or n < 0 for n in numbers):
        raise _MalformedError(f"it holds a tensor of shape {shape}, strides {strides}, offset {offset}")
    return _Tensor(storage=storage, offset=offset, shape=tuple(shape), strides=tuple(strides))


_ALLOWED: dict[tuple[str, str], Callable[..., Any] | _StorageType] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _StorageType(dtype="<f4"),
    ("torch", "LongStorage"): _StorageType(dtype="<i8"),
}


def _storage_order(reader: _PickleReader) -> list[_Storage]:
    """The announced storages in the order in which their bytes follow."""
    announced = dict(reader.storages)
    keys = reader.next()
    if not isinstance(keys, list) or any(not isinstance(key, str) for key in keys):
        raise _MalformedError("it has no list of storages")
    if sorted(keys) != sorted(announced):
        raise _MalformedError("the storages it lists are not those that its tensors use")
    return [announced[key] for key in keys]


def _read_storages(content: bytes, position: int, order: list[_Storage]) -> dict[str, Array]:
    storages: dict[str, Array] = {}
    for storage in order:
        if position + 8 > len(content):
            raise _MalformedError(f"it ends before storage {storage.key}")
        (count,) = struct.unpack_from("<q", content, position)
        if count != storage.count:
            raise _MalformedError(f"storage {storage.key} has {count} elements, not {storage.count}")
        position += 8
        end = position + count * np.dtype(storage.dtype).itemsize
        if end > len(content):
            raise _MalformedError(f"it ends within storage {storage.key}")
        storages[storage.key] = np.frombuffer(content[position:end], storage.dtype)
        position = end
    if position != len(content):
        raise _MalformedError(f"{len(content) - position} bytes follow its last storage")
    return storages


def _view(name: str, tensor: _Tensor, numbers: Array) -> Array:
    """A contiguous copy of a strided view, whose bounds are checked first."""
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    count = math.prod(tensor.shape)
    # More elements than the storage has means strides of 0: a few bytes that claim gigabytes.
    if count > numbers.size or (count and last >= numbers.size):
        raise _MalformedError(f"tensor {name} of shape {tensor.shape} reaches beyond its storage")
    start = numbers[tensor.offset :] if count else numbers[:0]
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    view: Any = np.lib.stride_tricks.as_strided(start, tensor.shape, strides)
    whole: Array = view.copy()
    return whole
