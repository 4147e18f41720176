"""Open a bundle that anybody may have made: check it before it costs memory, and execute nothing."""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stackkit.api.errors import BundleError, plain
from stackkit.api.state import State
from stackkit.bundle.archive import MAX_BYTES, Entry, read_chunks, read_directory
from stackkit.bundle.json_text import MAX_JSON_BYTES, from_json
from stackkit.bundle.manifest import SCHEMA, Manifest
from stackkit.bundle.members import DIGEST, MANIFEST, STATES, read_manifest
from stackkit.bundle.states import state_from
from stackkit.utils.files import atomic_write

MAX_ALL_JSON_BYTES = 8 * 2**20
MAX_ARRAYS_BYTES = 2**31
"""Maximum size of the arrays of one state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An open bundle. Whatever is read from it is compared with the SHA-256 in the manifest.

    Attributes
    ----------
    path : Path
        The file.
    manifest : Manifest
        What the bundle is.
    document : mapping of str to JSON value
        The manifest as it is in the file, with `schema` and `members`.
    digest : str
        SHA-256 of the manifest, which identifies the bundle.

    """

    path: Path
    manifest: Manifest
    document: Mapping[str, Any]
    digest: str
    _file: BinaryIO
    _entries: Mapping[str, Entry]
    _hashes: Mapping[str, str]

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all members but the manifest and the states."""
        return tuple(
            name
            for name in self._entries
            if name not in {MANIFEST, DIGEST} and not name.startswith(STATES)
        )

    def state(self, name: str) -> State:
        """Return a state.

        Raises
        ------
        BundleError
            If it is missing, altered or invalid.

        """
        text, arrays = f"{STATES}{name}.json", f"{STATES}{name}.safetensors"
        with refusals(self.path):
            entry = self._entries.get(arrays)
            if entry and entry.size > MAX_ARRAYS_BYTES:
                raise ValueError(f"{arrays} has {entry.size:,} bytes, more than {MAX_ARRAYS_BYTES:,}")
            document = self._content(text)
            try:
                return state_from(document, self._content(arrays) if entry else None)
            except ValueError as error:
                raise ValueError(f"the state {name} is invalid: {error}") from error

    def file(self, name: str) -> bytes:
        """Return the content of a member.

        Raises
        ------
        BundleError
            If it is missing or altered.

        """
        with refusals(self.path):
            return self._content(name)

    def extract(self, name: str, folder: Path) -> Path:
        """Copy a member to a folder, under the last part of its name, and return the path.

        Raises
        ------
        BundleError
            If it is missing or altered, a file with this name exists, or it cannot be written.

        """
        target = folder / name.rpartition("/")[2]
        with refusals(self.path):
            chunks = self._chunks(name)
            if os.path.lexists(target):
                raise BundleError(f"{target} exists; remove it or choose another folder")
            with atomic_write(target) as temporary, temporary.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
        return target

    def verify(self) -> None:
        """Compare all members with their hashes.

        Raises
        ------
        BundleError
            If one was altered.

        """
        with refusals(self.path):
            for name in self._entries:
                for _ in self._chunks(name):
                    pass

    def _content(self, name: str) -> bytes:
        return b"".join(self._chunks(name))

    def _chunks(self, name: str) -> Iterator[bytes]:
        if name not in self._entries:
            raise ValueError(f"{name} is missing in it")
        return _checked_chunks(self._file, self._entries[name], self._hashes[name])


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a bundle for reading.

    Parameters
    ----------
    path : Path
        The file. It may come from anybody.

    Yields
    ------
    Bundle
        Valid inside the `with` block.

    Raises
    ------
    BundleError
        If it is no bundle, is damaged or altered, or was made by a newer stackkit.

    """
    with _open_regular_file(path) as file:
        with refusals(path):
            bundle = _read(path, file)
        yield bundle


def _open_regular_file(path: Path) -> BinaryIO:
    try:
        # Without O_NONBLOCK, opening a named pipe waits until somebody writes to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise BundleError(f"{path} cannot be opened: {reason}; check the path") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BundleError(f"{path} is not a regular file; pass a file that `stackkit train` wrote")
    return os.fdopen(handle, "rb")


def _read(path: Path, file: BinaryIO) -> Bundle:
    size = os.fstat(file.fileno()).st_size
    if size > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes, and a bundle has at most {MAX_BYTES:,}")
    entries = {entry.name: entry for entry in read_directory(file, size)}
    document, digest = _read_document(file, entries)
    _check_schema(document, path)
    hashes = _hashes_of(document.get("members"), entries)
    return Bundle(
        path=path,
        manifest=read_manifest(document),
        document=document,
        digest=digest,
        _file=file,
        _entries=entries,
        _hashes=hashes | {MANIFEST: digest, DIGEST: ""},
    )


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turn what is wrong with a bundle into a BundleError of one line."""
    try:
        yield
    except ValueError as error:
        raise BundleError(
            f"{path} is damaged, or is no model of stackkit: {plain(str(error))}; copy or download "
            "it again"
        ) from error
    except OSError as error:
        raise BundleError(f"{error.filename or path}: {error.strerror or error}") from error


def _read_document(file: BinaryIO, entries: Mapping[str, Entry]) -> tuple[dict[str, Any], str]:
    """Return the JSON object of the manifest, and its SHA-256."""
    for name in (MANIFEST, DIGEST):
        if name not in entries:
            raise ValueError(f"{name} is missing in it")
    texts = {name: entry.size for name, entry in entries.items() if name.endswith(".json")}
    largest = max(texts, key=lambda name: texts[name])
    if texts[largest] > MAX_JSON_BYTES or sum(texts.values()) > MAX_ALL_JSON_BYTES:
        raise ValueError(
            f"{largest} and other texts are too large, together {sum(texts.values()):,} bytes"
        )
    text = b"".join(_checked_chunks(file, entries[MANIFEST], ""))
    digest = hashlib.sha256(text).hexdigest()
    expected = f"{digest}  {MANIFEST}\n".encode()
    is_same_size = entries[DIGEST].size == len(expected)
    if not is_same_size or b"".join(_checked_chunks(file, entries[DIGEST], "")) != expected:
        raise ValueError(f"the content of {MANIFEST} is not what {DIGEST} says")
    document = from_json(text)
    if not isinstance(document, dict):
        raise ValueError("its manifest is no object")
    return document, digest


def _check_schema(document: Mapping[str, Any], path: Path) -> None:
    schema = document.get("schema")
    if type(schema) is not int or schema < 1:
        raise ValueError(f"the schema of its manifest must be a number from 1 on, got {schema!r:.50}")
    if schema > SCHEMA:
        raise BundleError(
            f"{path} was made by a newer stackkit (schema {schema!r:.20}, this version reads up to "
            f"{SCHEMA}); upgrade with: pip install --upgrade stackkit"
        )


def _hashes_of(members: object, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return the SHA-256 of each member that the manifest lists."""
    found = {name for name in entries if name not in {MANIFEST, DIGEST}}
    if not isinstance(members, dict) or members.keys() != found:
        raise ValueError("the members that its manifest lists are not those that it has")
    for name, facts in members.items():
        if not (isinstance(facts, dict) and facts.keys() == {"size", "sha256"}):
            raise ValueError(f"its manifest must give size and sha256 of {name}, and nothing else")
        if facts["size"] != entries[name].size:
            raise ValueError(f"{name} has another size than its manifest says")
    return {name: str(facts["sha256"]) for name, facts in members.items()}


def _checked_chunks(file: BinaryIO, entry: Entry, sha256: str) -> Iterator[bytes]:
    """Yield the content of a member; raise ValueError after the last piece if it was altered."""
    hashed, crc = hashlib.sha256(), 0
    for chunk in read_chunks(file, entry):
        hashed.update(chunk)
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if crc != entry.crc or (sha256 and hashed.hexdigest() != sha256):
        raise ValueError(f"the content of {entry.name} is not what the manifest says")
