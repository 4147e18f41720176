"""The store itself: finds the file that holds given rows, or makes it from all that is known."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from stackkit.api.errors import StoreError
from stackkit.store.create import lay_out, sync_folder
from stackkit.store.errors import DamagedFileError, storage_errors
from stackkit.store.file import FeatureFile
from stackkit.store.integrity import FORMAT_VERSION
from stackkit.store.keys import BackboneKey, DatasetRows, FeatureDtype
from stackkit.store.locks import held, lock, remove_idle, require_unlocked
from stackkit.store.metadata import Contents, read_contents
from stackkit.store.reuse import Source, known_sources, source_at
from stackkit.store.rows import Places, write_rows
from stackkit.store.vouched import remove_features

ASIDE = ".*.h5.*"
"""Names of files that are being made, or were when their process was killed."""


class FeatureStore:
    """A folder of feature files, which keeps features as `dtype`."""

    def __init__(self, folder: Path, dtype: FeatureDtype = "float32") -> None:
        self.folder = folder
        self.dtype = dtype

    def path(self, key: BackboneKey, rows: DatasetRows) -> Path:
        """Where the features of these rows under a backbone setting are kept."""
        return self.folder / replace(key, dtype=self.dtype).folder / rows.file_name

    def row_bytes(self, feature_dim: int) -> int:
        """Bytes that so many features of one image take on disk."""
        return np.dtype(self.dtype).itemsize * feature_dim

    def pending(self, key: BackboneKey, rows: DatasetRows) -> list[int]:
        """Rows whose image can be read and whose features are kept nowhere, in order; writes nothing."""
        key, path = replace(key, dtype=self.dtype), self.path(key, rows)
        with storage_errors(path):
            if contents := _held(path, key, rows):
                with FeatureFile(path, contents, writable=False) as file:
                    return file.pending()
            known = set[bytes]()
            for source in known_sources(path, key, rows):
                known |= _intact_prints(source, key.dtype)
            prints = [fingerprint.encode() for fingerprint in rows.fingerprints]
            return [i for i, print_ in enumerate(prints) if print_ and print_ not in known]

    def open(
        self, key: BackboneKey, rows: DatasetRows, provenance: Mapping[str, Any], *, create: bool = True
    ) -> FeatureFile:
        """The file for these rows, made if need be from every row already computed.

        Other rows (an image was added, removed, renamed or replaced, or a class list changed) are
        another file; rows of known images are copied into it from every file of the same backbone
        setting. An older file of the dataset is removed only if all its rows are in the new one,
        so that images which are absent or unreadable for one run cost nothing later.
        `provenance` is that of the rows to come; empty says that none will.
        With `create=False` the file is read beside whoever writes it, and left as it is.
        Raises StoreError if the folder cannot be written, or the file is of a newer format.
        """
        key, path = replace(key, dtype=self.dtype), self.path(key, rows)
        with storage_errors(path):
            contents = _held(path, key, rows)
            if not create and contents is None:
                raise StoreError(f"no features of these images in {path}; run `stackkit extract` first")
            if create and (contents is None or _is_to_be_made_anew(path, contents, provenance)):
                _create(path, key, rows, provenance)
                contents = read_contents(path)
            assert contents is not None
            file = FeatureFile(path, contents, writable=create)
        with suppress(OSError):
            os.utime(path)  # the time of last use, which `stackkit features gc` goes by
        return file


def _held(path: Path, key: BackboneKey, rows: DatasetRows) -> Contents | None:
    """What is at `path` if it is sound and for exactly these rows."""
    with suppress(DamagedFileError, FileNotFoundError):
        contents = read_contents(path)
        return contents if contents.holds(key, rows) else None
    return None


def _is_to_be_made_anew(path: Path, contents: Contents, provenance: Mapping[str, Any]) -> bool:
    """Whether a file is of an older format, or its rows will be of an origin it does not name.

    Nothing but rows is ever changed in a file after its creation.
    """
    if contents.version < FORMAT_VERSION:
        return True
    if not provenance:
        return False
    known = _distinct(contents.provenance)
    if len(_distinct([*known, provenance])) == len(known):
        return False
    readable = set(filter(None, contents.fingerprints))
    return not readable <= _intact_prints(Source.of(path, contents), contents.key.dtype)


def _create(path: Path, key: BackboneKey, rows: DatasetRows, provenance: Mapping[str, Any]) -> None:
    """Make the file aside, fill in the rows that exist anywhere, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(ASIDE):
        remove_idle(leftover)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with held(path) as there, aside.open("x+b", buffering=0) as file:
            lock(file)

            def fill(places: Places) -> list[Any]:
                origins = _copy_known_rows(file, places, path, key, rows)
                return _distinct([*origins, provenance] if provenance else origins)

            lay_out(aside, file, key, rows, fill)
            if not there and path.exists():  # another process was faster
                require_unlocked(path)
            aside.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    _remove_superseded(path, key, rows)


def _copy_known_rows(
    file: FileIO, places: Places, path: Path, key: BackboneKey, rows: DatasetRows
) -> list[Any]:
    """Write every intact row of equal fingerprint found at `path` or beside it.

    Returns the provenance of the files that rows were taken from.
    """
    wanted: dict[bytes, list[int]] = {}
    for index, fingerprint in enumerate(rows.fingerprints):
        if fingerprint:
            wanted.setdefault(fingerprint.encode(), []).append(index)
    origins: list[Any] = []
    for source in known_sources(path, key, rows):
        if _copy(source, wanted, file, places):
            origins += source.provenance
    return origins


def _copy(source: Source, wanted: dict[bytes, list[int]], file: FileIO, places: Places) -> bool:
    """Move rows from `source`, and their fingerprints out of `wanted`; whether there were any."""
    found = False
    with source.path.open("rb", buffering=0) as old:
        for print_, checksum, features in source.rows(old, places.dtype):
            for index in wanted.pop(print_, ()):
                write_rows(file, places, index, [checksum], features)
                found = True
    return found


def _remove_superseded(path: Path, key: BackboneKey, rows: DatasetRows) -> None:
    """Remove older files of the same dataset that hold nothing which `path` does not hold too."""
    source = source_at(path, key, rows)
    known = _intact_prints(source, key.dtype) if source else set()
    for older in path.parent.glob("*.h5"):
        if older == path:
            continue
        with suppress(StoreError, OSError):  # what stays costs room and nothing else
            contents = read_contents(older)
            if contents.rows.dataset != rows.dataset or contents.key != key:
                continue
            prints = _intact_prints(Source.of(older, contents), key.dtype)
            if prints and prints <= known:
                remove_features(older)


def _intact_prints(source: Source, dtype: FeatureDtype) -> set[bytes]:
    """Fingerprints of all intact rows of a file that can be kept as `dtype`."""
    with source.path.open("rb", buffering=0) as file:
        return {print_ for print_, _, _ in source.rows(file, dtype)}


def _distinct(origins: Sequence[Any]) -> list[Any]:
    texts = {json.dumps(origin, sort_keys=True, default=str): origin for origin in origins}
    return list(texts.values())
