"""Files whose rows may be taken over, also from a file whose description is damaged."""

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
from stackkit.store.rows import Places, Stored, checksum, intact_rows

SALVAGED = {"salvaged": "from a file whose description of itself was damaged"}
"""Provenance of rows that outlived the provenance of their file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file with rows of the same backbone setting."""

    path: Path
    places: Places
    fingerprints: Sequence[bytes]
    provenance: Sequence[Any]

    @classmethod
    def of(cls, path: Path, contents: Contents) -> Source:
        """The source that a sound file is."""
        return cls(
            path=path,
            places=contents.places,
            fingerprints=contents.fingerprints,
            provenance=contents.provenance,
        )

    def rows(self, file: FileIO, dtype: FeatureDtype) -> Iterator[tuple[bytes, int, Stored]]:
        """Fingerprint, checksum and features (d,) of every intact row, as a file of `dtype` keeps them.

        What `dtype` cannot hold is left out. `file` is the source, opened for reading.
        """
        wanted = replace(self.places, dtype=dtype).stored_dtype
        for row, found, features in intact_rows(file, self.places, self.fingerprints):
            print_ = self.fingerprints[row]
            if dtype == self.places.dtype:
                yield print_, found, features
                continue
            with np.errstate(over="ignore"):
                converted: Stored = features.astype(wanted)
            if np.isfinite(converted).all():
                yield print_, checksum(print_, converted), converted


def known_sources(path: Path, key: BackboneKey, rows: DatasetRows) -> Iterator[Source]:
    """Every file that has rows of this setting: those beside `path`, itself among them, first.

    float32 files follow where float16 is wanted, which is what their rows would have been rounded to.
    Raises NewerFormatError if `path` itself is one; another file like that costs its rows and no more.
    """
    places = [(key, path.parent)]
    if key.dtype != "float32":
        exact = replace(key, dtype="float32")
        places.append((exact, path.parent.with_name(exact.folder)))
    for setting, folder in places:
        for found in sorted(folder.glob("*.h5")):
            forgiven = () if found == path else (NewerFormatError, OSError)
            with suppress(*forgiven):
                if source := source_at(found, setting, rows):
                    yield source


def source_at(path: Path, key: BackboneKey, rows: DatasetRows) -> Source | None:
    """The source at `path`; None if it has another setting or nothing that can be trusted."""
    try:
        contents = read_contents(path)
    except DamagedFileError:
        # The name is the digest of all that the file describes, so it can stand in for that.
        return _salvaged(path, key, rows) if path.name == rows.file_name else None
    return Source.of(path, contents) if contents.key == key else None


def _salvaged(path: Path, key: BackboneKey, rows: DatasetRows) -> Source | None:
    """A file with an intact seal and a damaged or missing rest; each row still has its checksum."""
    with suppress(StoreError), path.open("rb", buffering=0) as file:
        seal = read_seal(file)
        places = Places(
            features=seal.features[0],
            checksums=seal.checksums[0],
            count=len(rows.samples),
            width=key.feature_dim,
            dtype=key.dtype,
        )
        lengths = places.stride * places.count, 4 * places.count
        if lengths == (seal.features[1], seal.checksums[1]):
            prints = [fingerprint.encode() for fingerprint in rows.fingerprints]
            return Source(path=path, places=places, fingerprints=prints, provenance=[SALVAGED])
    return None
