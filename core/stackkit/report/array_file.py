"""Arrays and a JSON object in one .npz file, without pickle: reading one never runs code."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import UsageError
from stackkit.utils.files import atomic_write

VERSION = 1
"""Of the format; a file with a higher one was written by a newer stackkit."""

MAX_BYTES = 2 * 2**30
"""Most bytes of a file after decompression; a small file may hold any number of zeros."""

_ABOUT = "about"

REPEAT = "repeat the run, which takes features and fits from the cache"
"""What to do where a record cannot be used."""

_REMEDY = f"delete it and {REPEAT}"

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


def write_arrays(path: Path, about: Mapping[str, Any], arrays: Arrays, *, compress: bool = True) -> None:
    """Write a JSON object and arrays; an older file is replaced as a whole.

    The same content gives the same bytes.

    Raises
    ------
    OSError
        If the file cannot be written.

    """
    # Escapes keep file names whose bytes are not UTF-8, and which Python holds as lone surrogates.
    text = json.dumps({"version": VERSION, "arrays": sorted(arrays), **about}, ensure_ascii=True)
    save: Any = np.savez_compressed if compress else np.savez
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        save(file, **{_ABOUT: np.frombuffer(text.encode(), np.uint8), **arrays})


def read_arrays(path: Path, remedy: str = _REMEDY) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the JSON object and the arrays of a file; `remedy` says what to do if it is damaged.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UsageError
        If the file is damaged, too large, or cannot be read, or was written by a newer stackkit.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > MAX_BYTES:
                raise UsageError(
                    f"{path} holds more than {MAX_BYTES:,} bytes, which no run writes; {remedy}"
                )
            arrays = {
                each.filename.removesuffix(".npy"): _array(_member(archive, each))
                for each in archive.infolist()
            }
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        version = int(about["version"])
        if about.pop("arrays", None) != sorted(arrays) and version == VERSION:
            raise ValueError("an array is missing")  # names of members have no checksum
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error})") from error
    except _DAMAGE as error:
        raise damaged(path, remedy) from error
    if version > VERSION:
        raise UsageError(
            f"{path} has format {version}, and this stackkit reads up to {VERSION}; upgrade stackkit"
        )
    return about, arrays


_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile, NumPy and json raise for files that are not what `write_arrays` wrote."""


def damaged(path: Path, remedy: str = _REMEDY) -> UsageError:
    """Return the error for a file that is not what was written."""
    return UsageError(f"{path} is damaged; {remedy}")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read a member to its end, where zipfile checks it, and never more than it declares."""
    with archive.open(info) as file:
        return file.read(info.file_size + 1)


def _array(data: bytes) -> NDArray[Any]:
    found: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return found
