"""Read the tensors of a PyTorch checkpoint without PyTorch, and without running code from the file.

The format is the one that `torch.save` wrote before PyTorch 1.6: five pickles (magic number,
protocol version, machine, state dict, storage keys), followed by each storage as an int64 element
count and its raw bytes. A pickle can call any function, so only the four constructors that a state
dict needs are allowed, and each is replaced by a stand-in of this module.
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
    """What is wrong with the content; converted to a WeightsError that names the file."""


@dataclass(frozen=True, kw_only=True)
class _StorageType:
    """Stand-in for torch.FloatStorage and torch.LongStorage: the element type of a storage."""

    dtype: str


@dataclass(frozen=True, kw_only=True)
class _Storage:
    """A flat array that tensors are views of; its bytes follow the pickles."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """A view of a storage: offset, shape and strides, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_checkpoint(path: Path) -> dict[str, Array]:
    """Read the state dict of a checkpoint in PyTorch's legacy format.

    Parameters
    ----------
    path : Path
        The checkpoint file.

    Returns
    -------
    dict of str to ndarray
        Tensors by name: float32 or int64, contiguous, writable, with PyTorch's order of axes
        (convolutions are out, in, height, width).

    Raises
    ------
    WeightsError
        If the file cannot be read, is cut short or padded, contradicts itself, or asks for any
        constructor other than those of plain tensors.

    """
    try:
        return _parse(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); pass another file") from error
    except _MalformedError as error:
        raise WeightsError(
            f"{path} is not a complete checkpoint of plain tensors: {error}; "
            "install or download it again, or pass another file"
        ) from error


def _parse(content: bytes) -> dict[str, Array]:
    if content.startswith(b"PK"):
        raise _MalformedError(
            "it has PyTorch's zip format, expected the legacy format "
            "(torch.save(..., _use_new_zipfile_serialization=False))"
        )
    # Each part is checked before the next one is read, so an error names the first thing that is wrong.
    reader = _PickleReader(content)
    if reader.next() != _MAGIC:
        raise _MalformedError("it does not start with PyTorch's magic number")
    if (protocol := reader.next()) != _PROTOCOL:
        raise _MalformedError(f"its protocol is {protocol!r}, expected {_PROTOCOL}")
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
        raise _MalformedError(f"expected a dictionary of tensors, got {type(value).__name__}")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise _MalformedError(f"its entry {name!r} is not a tensor")
    return value


class _PickleReader:
    """Reads the pickles at the start of a checkpoint one after the other."""

    def __init__(self, content: bytes) -> None:
        self.position = 0
        self.storages: dict[str, _Storage] = {}
        self._content = content

    def next(self) -> Any:
        """Return the next object; raises _MalformedError if it is incomplete or not harmless."""
        start = self.position
        # The unpickler gets only these bytes, so it cannot run on into the storages.
        self.position = _end_of_pickle(self._content, start)
        unpickler = _Unpickler(self._content[start : self.position], self.storages)
        with _as_malformed():
            return unpickler.load()


@contextmanager
def _as_malformed() -> Iterator[None]:
    # A manipulated pickle can raise anything: a wrong type, index or attribute, a huge allocation.
    try:
        yield
    except _MalformedError:
        raise
    except Exception as error:
        raise _MalformedError(f"a pickle in it is damaged ({type(error).__name__}: {error})") from error


def _end_of_pickle(content: bytes, start: int) -> int:
    """Return the end of the pickle that begins at `start`, without executing it."""
    stream = io.BytesIO(content)
    stream.seek(start)
    with _as_malformed():
        for opcode, argument, _ in pickletools.genops(stream):
            # The unpickler allocates its memo up to the highest index at once, so a few bytes could
            # ask for 64 GB. An honest pickle has fewer objects than bytes.
            if "PUT" in opcode.name and int(argument or 0) > len(content):
                raise _MalformedError(f"a pickle in it has memo index {argument}")
    return stream.tell()


class _Unpickler(pickle.Unpickler):
    """An unpickler that allows the constructors of plain tensors and nothing else."""

    def __init__(self, content: bytes, storages: dict[str, _Storage]) -> None:
        super().__init__(io.BytesIO(content))
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for an allowed constructor; raises _MalformedError for any other.

        The unpickler gets every function and class through this method, so nothing of the file's
        choice is ever imported or called.
        """
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _MalformedError(
                f"it asks for {module}.{name}, which plain tensors do not need"
            ) from None

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that ("storage", type, key, device, count, None) declares."""
        match pid:
            case ("storage", _StorageType(dtype=dtype), str(key), str(), int(count), None) if count >= 0:
                storage = _Storage(key=key, dtype=dtype, count=count)
            case _:
                raise _MalformedError(f"it declares a storage as {pid!r:.100}")
        if self._storages.setdefault(key, storage) != storage:
            raise _MalformedError(f"it declares storage {key} twice, differently")
        return storage


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any, hooks: Any
) -> _Tensor:
    """Stand-in for torch._utils._rebuild_tensor_v2; gradients and hooks are ignored."""
    del requires_grad, hooks
    if not isinstance(storage, _Storage):
        raise _MalformedError("it has a tensor without a storage")
    numbers = (offset, *shape, *strides)
    # `type(n) is`, because True is an int too.
    if len(shape) != len(strides) or any(type(n) is not int or n < 0 for n in numbers):
        raise _MalformedError(f"it has a tensor of shape {shape}, strides {strides}, offset {offset}")
    return _Tensor(storage=storage, offset=offset, shape=tuple(shape), strides=tuple(strides))


_ALLOWED: dict[tuple[str, str], Callable[..., Any] | _StorageType] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _StorageType(dtype="<f4"),
    ("torch", "LongStorage"): _StorageType(dtype="<i8"),
}


def _storage_order(reader: _PickleReader) -> list[_Storage]:
    """Return the declared storages in the order of their bytes."""
    declared = dict(reader.storages)
    keys = reader.next()
    if not isinstance(keys, list) or any(not isinstance(key, str) for key in keys):
        raise _MalformedError("it has no list of storages")
    # The list decides the order of the bytes: a wrong one would swap tensors of equal size.
    if sorted(keys) != sorted(declared):
        raise _MalformedError("the storages it lists are not those that its tensors use")
    return [declared[key] for key in keys]


def _read_storages(content: bytes, position: int, order: list[_Storage]) -> dict[str, Array]:
    storages: dict[str, Array] = {}
    for storage in order:
        if position + 8 > len(content):
            raise _MalformedError(f"it ends before storage {storage.key}")
        (count,) = struct.unpack_from("<q", content, position)
        # The count stands twice in the file. Trusting only the second would let it disagree with the
        # bounds that tensors are checked against.
        if count != storage.count:
            raise _MalformedError(
                f"storage {storage.key} has {count} elements, expected {storage.count}"
            )
        position += 8
        end = position + count * np.dtype(storage.dtype).itemsize
        if end > len(content):
            raise _MalformedError(f"it ends within storage {storage.key}")
        storages[storage.key] = np.frombuffer(content[position:end], storage.dtype)
        position = end
    # Bytes left over mean that the file is not what it claims to be, for example two files joined.
    if position != len(content):
        raise _MalformedError(f"{len(content) - position} bytes follow its last storage")
    return storages


def _view(name: str, tensor: _Tensor, numbers: Array) -> Array:
    """Return a contiguous copy of a strided view after checking its bounds."""
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    count = math.prod(tensor.shape)
    # `as_strided` checks nothing: beyond the storage it would read foreign memory. More elements than
    # the storage has means strides of 0, with which a few bytes could ask for gigabytes.
    if count > numbers.size or (count and last >= numbers.size):
        raise _MalformedError(f"tensor {name} of shape {tensor.shape} reaches beyond its storage")
    start = numbers[tensor.offset :] if count else numbers[:0]
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    view: Any = np.lib.stride_tricks.as_strided(start, tensor.shape, strides)
    copy: Array = view.copy()
    return copy
