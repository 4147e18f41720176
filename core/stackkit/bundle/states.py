"""States as two members each: a JSON text for values and structure, and safetensors for arrays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.state import State
from stackkit.bundle.json_text import from_json, to_json

MAX_HEADER_BYTES = 2**20
"""Maximum size of the description of all arrays of a state."""
MAX_PARTS_DEPTH = 8

_DTYPES = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("<u1"),
    "I8": np.dtype("<i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def state_members(name: str, state: State) -> dict[str, bytes]:
    """Return the members for a state, by name.

    Raises
    ------
    ValueError
        If the state cannot be saved; the text names the value or the array.

    """
    import safetensors.numpy

    members = {f"{name}.json": to_json(_document(state))}
    if arrays := {key: _storable(key, array) for key, array in _arrays(state, "", 0)}:
        members[f"{name}.safetensors"] = safetensors.numpy.save(arrays)
    return members


def state_from(document: bytes, arrays: bytes | None) -> State:
    """Return the state from the content of its members; arrays are new and can be written to.

    Raises
    ------
    ValueError
        If they are invalid, or do not fit each other.

    """
    flat = {} if arrays is None else _read_arrays(arrays)
    state = _state(from_json(document), flat, "", 0)
    if flat:
        raise ValueError(f"the array {next(iter(flat))[:200]!r} belongs to no part of the state")
    return state


def _document(state: State) -> dict[str, Any]:
    return {
        "values": dict(state.values),
        "arrays": sorted(state.arrays),
        "parts": {name: _document(part) for name, part in state.parts.items()},
    }


def _arrays(state: State, prefix: str, depth: int) -> Iterator[tuple[str, NDArray[Any]]]:
    if depth > MAX_PARTS_DEPTH:
        raise ValueError(f"{prefix[:200]} has parts more than {MAX_PARTS_DEPTH} levels deep")
    for key in (*state.arrays, *state.parts):
        _check_key(key)
    for key, array in state.arrays.items():
        yield prefix + key, array
    for key, part in state.parts.items():
        yield from _arrays(part, f"{prefix}{key}/", depth + 1)


def _check_key(key: object) -> None:
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise ValueError(
            f"{key!r:.200} cannot be the name of an array or a part: allowed are up to 100 letters, "
            "digits and _.-"
        )


def _storable(key: str, array: object) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype.newbyteorder("<") not in _DTYPES.values():
        found = f"dtype {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(
            f"the array {key!r} is of {found}; allowed are NumPy arrays of bool, integers and floats of "
            "16, 32 and 64 bits"
        )
    # Not ascontiguousarray: that gives an array without dimensions a dimension.
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _read_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Read safetensors; the library checks that shapes, offsets and the size of the file fit."""
    from safetensors import SafetensorError, deserialize

    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"the header of arrays has {length:,} bytes, more than {MAX_HEADER_BYTES:,}")
    try:
        found = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"its arrays are not valid safetensors ({error!s:.200})") from error
    return {key: _array(key, **info) for key, info in found}


def _array(key: str, *, dtype: str, shape: list[int], data: bytes | bytearray) -> NDArray[Any]:
    if dtype not in _DTYPES:
        raise ValueError(f"the array {key[:200]!r} has the dtype {dtype}, which is not allowed")
    try:
        array = np.frombuffer(data, _DTYPES[dtype]).reshape(shape)
    except (ValueError, OverflowError) as error:  # such as more than 32 or 64 dimensions
        raise ValueError(f"the array {key[:200]!r} has an invalid shape ({error})") from error
    if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise ValueError(f"the array {key[:200]!r} has truth values that are neither 0 nor 1")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return native if native.flags.writeable else native.copy()


def _state(document: object, flat: dict[str, NDArray[Any]], prefix: str, depth: int) -> State:
    if depth > MAX_PARTS_DEPTH:
        raise ValueError(f"a state has parts more than {MAX_PARTS_DEPTH} levels deep")
    if not (isinstance(document, dict) and document.keys() == {"values", "arrays", "parts"}):
        raise ValueError("a state must be an object with values, arrays and parts")
    values, names, parts = document["values"], document["arrays"], document["parts"]
    if not (isinstance(values, dict) and isinstance(names, list) and isinstance(parts, dict)):
        raise ValueError("values and parts of a state must be objects, and arrays a list")
    for key in (*names, *parts):
        _check_key(key)
    if missing := [name for name in names if prefix + name not in flat]:
        raise ValueError(f"the array {json.dumps(prefix + missing[0])} is missing")
    return State(
        values=values,
        # Removed from `flat`, so that what remains at the end belongs to nothing.
        arrays={name: flat.pop(prefix + name) for name in dict.fromkeys(names)},
        parts={name: _state(part, flat, f"{prefix}{name}/", depth + 1) for name, part in parts.items()},
    )


def flatten(states: Mapping[str, State]) -> dict[str, bytes]:
    """Return the members for several states; errors name the state."""
    members: dict[str, bytes] = {}
    for name, state in states.items():
        try:
            members |= state_members(f"states/{name}", state)
        except ValueError as error:
            raise ValueError(f"the state of {name} cannot be saved: {error}") from error
    return members
