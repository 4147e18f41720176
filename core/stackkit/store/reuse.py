"""Find and copy rows that are stored in other files, even if the metadata of a file is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from stackkit.api.errors import StoreError
from stackkit.store.errors import DamagedFileError, NewerFormatError
from stackkit.store.integrity import read_seal
from stackkit.store.keys import BackboneKey, DatasetRows, FeatureDtype
from stackkit.store.metadata import Contents, read_contents
from stackkit.store.rows import RowLayout, Stored, checksum, intact_rows, write_rows
from stackkit.store.shards import Shard, shard_named

SALVAGED = {"salvaged": "from a file whose description of itself was damaged"}
"""Provenance of rows from a file that lost its provenance. Part of the file format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file with rows of one backbone setting: where they are, and the images they belong to."""

    path: Path
    layout: RowLayout
    fingerprints: Sequence[bytes]
    provenance: Sequence[Any]

    @classmethod
    def of(cls, contents: Contents) -> Source:
        """Return the source for a file with intact metadata and rows of its own."""
        return cls(
            path=contents.path,
            layout=contents.layout,
            fingerprints=contents.fingerprints,
            provenance=contents.provenance,
        )

    def rows(self, file: FileIO, dtype: FeatureDtype) -> Iterator[tuple[bytes, int, Stored]]:
        """Yield the fingerprint, checksum and features (d,) of every intact row, converted to `dtype`.

        Rows with values out of range for `dtype` are skipped. `file` is the source, open for reading.
        """
        converted_dtype = replace(self.layout, dtype=dtype).stored_dtype
        for row, found, features in intact_rows(file, self.layout, self.fingerprints):
            fingerprint = self.fingerprints[row]
            if dtype == self.layout.dtype:
                # The checksum is copied and not computed again, so damage during the copy is detected.
                yield fingerprint, found, features
                continue
            with np.errstate(over="ignore"):  # float16 overflows to inf, which is checked below
                converted: Stored = features.astype(converted_dtype)
            if np.isfinite(converted).all():
                yield fingerprint, checksum(fingerprint, converted), converted

    def intact_fingerprints(self, dtype: FeatureDtype) -> set[bytes]:
        """Return the fingerprints of all intact rows that can be stored as `dtype`."""
        with self.path.open("rb", buffering=0) as file:
            return {fingerprint for fingerprint, _, _ in self.rows(file, dtype)}


def row_sources(path: Path, key: BackboneKey, rows: DatasetRows) -> Iterator[Source]:
    """Yield every file with rows of a backbone setting: those in the folder of `path`, itself included.

    For float16, the float32 files of the setting follow: rounding their rows gives exactly what
    computing and then rounding would give. The other direction would lose precision.

    Raises NewerFormatError if the file at `path` is in a newer format. Other files in a newer format
    are skipped: then their rows are computed again.
    """
    folders = [(key, path.parent)]
    if key.dtype != "float32":
        exact = replace(key, dtype="float32")
        folders.append((exact, path.parent.with_name(exact.folder)))
    for setting, folder in folders:
        for found in sorted(folder.glob("*.h5")):  # sorted, so that equal stores give equal files
            if _is_sibling(found, rows.shard):
                continue
            ignored = () if found == path else (NewerFormatError, OSError)
            with suppress(*ignored):
                if source := source_at(found, setting, rows):
                    yield source


def source_at(path: Path, key: BackboneKey, rows: DatasetRows) -> Source | None:
    """Return the source at `path`, or None if it has another setting or nothing that can be trusted."""
    try:
        contents = read_contents(path)
    except DamagedFileError:
        # The file name is a digest of the rows that the file describes. If it is the name for `rows`,
        # they can replace the description that is damaged.
        return _salvaged(path, key, rows) if path.name.endswith(rows.ending) else None
    # What an index joins is a source itself.
    return Source.of(contents) if contents.key == key and not contents.shards else None


def _is_sibling(path: Path, shard: Shard | None) -> bool:
    """Return whether a file is a shard of the same list of images, and has none of these.

    Every shard need not read all others for the few of their rows that are copies.
    """
    other = shard_named(path.name) if shard else None
    return bool(shard and other and shard.listing == other.listing and not shard.overlaps(other))


def _salvaged(path: Path, key: BackboneKey, rows: DatasetRows) -> Source | None:
    """Return a source for a file with a valid seal and damage elsewhere; rows are checked one by one."""
    with suppress(StoreError), path.open("rb", buffering=0) as file:
        seal = read_seal(file)
        layout = RowLayout(
            features=seal.features[0],
            checksums=seal.checksums[0],
            count=len(rows.samples),
            width=key.feature_dim,
            dtype=key.dtype,
        )
        # The lengths in the seal are those of the file; if they fit these rows, so do the offsets.
        if (layout.stride * layout.count, 4 * layout.count) == (seal.features[1], seal.checksums[1]):
            fingerprints = [fingerprint.encode() for fingerprint in rows.fingerprints]
            return Source(path=path, layout=layout, fingerprints=fingerprints, provenance=[SALVAGED])
    return None


def copy_known_rows(
    file: FileIO, layout: RowLayout, path: Path, key: BackboneKey, rows: DatasetRows
) -> list[Any]:
    """Copy every intact row of these images; return the provenance of the files they come from."""
    missing: dict[bytes, list[int]] = {}
    for index, fingerprint in enumerate(rows.fingerprints):
        if fingerprint:  # one image may be in a dataset more than once
            missing.setdefault(fingerprint.encode(), []).append(index)
    origins: list[Any] = []
    # Once a row is copied its fingerprint is no longer missing, so no origin is recorded for a file with
    # nothing but copies of rows that other files had.
    for source in row_sources(path, key, rows):
        if _copy(source, missing, file, layout):
            origins += source.provenance
    return origins


def _copy(source: Source, missing: dict[bytes, list[int]], file: FileIO, layout: RowLayout) -> bool:
    """Copy rows, remove their fingerprints from `missing`, and return whether there were any."""
    found = False
    with source.path.open("rb", buffering=0) as old:
        for fingerprint, checksum, features in source.rows(old, layout.dtype):
            for index in missing.pop(fingerprint, ()):
                write_rows(file, layout, index, [checksum], features)
                found = True
    return found
