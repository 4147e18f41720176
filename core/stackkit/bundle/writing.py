"""Write a bundle, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stackkit.api.errors import BundleError
from stackkit.api.state import State
from stackkit.bundle.archive import Entry, write_directory, write_member
from stackkit.bundle.json_text import from_json, to_json
from stackkit.bundle.manifest import SCHEMA, Manifest
from stackkit.bundle.members import DIGEST, MANIFEST, read_manifest
from stackkit.bundle.states import flatten
from stackkit.utils.files import atomic_write

_CHUNK = 1 << 20


def check_target(path: Path, *, overwrite: bool = False) -> None:
    """Raise an error if a bundle cannot be written to `path`; for a check before hours of work.

    Raises
    ------
    BundleError
        If the folder is missing or not writable, or `path` is a folder, or exists without `overwrite`.

    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise BundleError(f"{path}: the folder {folder} does not exist; create it or choose another")
    if os.path.lexists(path) and not path.is_file():
        raise BundleError(f"{path} is not a regular file; choose another name")
    if path.exists() and not overwrite:
        raise BundleError(f"{path} exists; choose another name, or pass --overwrite")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BundleError(f"{path}: the folder {folder} is not writable; choose another one")


def write_bundle(
    path: Path,
    manifest: Manifest,
    states: Mapping[str, State],
    files: Mapping[str, bytes | Path],
    *,
    overwrite: bool = False,
) -> str:
    """Write a bundle.

    Parameters
    ----------
    path : Path
        Where to write it. Until it is complete, nothing has this name.
    manifest : Manifest
        What the bundle is. The hashes of all members are added.
    states : mapping of str to State
        By name, such as "learner-0". They become the members `states/NAME.json` and
        `states/NAME.safetensors`.
    files : mapping of str to bytes or Path
        Further members by name, such as "weights/0.h5", with their content or a file to copy.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    str
        SHA-256 of the manifest, which identifies the bundle: the manifest has the SHA-256 of everything
        else.

    Raises
    ------
    BundleError
        If it cannot be written, or something in it cannot be saved.

    """
    check_target(path, overwrite=overwrite)
    try:
        contents: dict[str, bytes | Path] = {**flatten(states), **files}
        if clash := contents.keys() & {MANIFEST, DIGEST}:
            raise ValueError(f"{min(clash)} is the name of a member that stackkit writes")
        with atomic_write(path) as temporary:
            digest = _write(temporary, manifest, contents)
            check_target(path, overwrite=overwrite)  # another process may have been faster
    except ValueError as error:
        raise BundleError(f"{path} was not written: {error}") from error
    except OSError as error:
        raise BundleError(f"{path} was not written: {_advice(error)}") from error
    return digest


def _advice(error: OSError) -> str:
    # EFBIG is the limit on the size of a file (ulimit -f), for which the advice is the same.
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return "the disk is full; free some space and run the same command again"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}; check this file and the folder"


def _write(path: Path, manifest: Manifest, contents: Mapping[str, bytes | Path]) -> str:
    entries: list[Entry] = []
    members: dict[str, dict[str, Any]] = {}
    with path.open("xb") as file:
        for name, content in contents.items():
            hashed = hashlib.sha256()
            entry = write_member(file, name, _hashing(_chunks(content), hashed))
            entries.append(entry)
            members[name] = {"size": entry.size, "sha256": hashed.hexdigest()}
        text = to_json({**manifest.document(), "schema": SCHEMA, "members": members})
        read_manifest(from_json(text))  # whatever nobody could open is not written
        digest = hashlib.sha256(text).hexdigest()
        entries.append(write_member(file, MANIFEST, [text]))
        # The form of `sha256sum`, so that `sha256sum -c manifest.sha256` checks an unpacked bundle.
        entries.append(write_member(file, DIGEST, [f"{digest}  {MANIFEST}\n".encode()]))
        write_directory(file, entries)
        file.flush()
        os.fsync(file.fileno())
    return digest


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _hashing(chunks: Iterator[bytes], hashed: Any) -> Iterator[bytes]:
    for chunk in chunks:
        hashed.update(chunk)
        yield chunk
