"""What a feature file says of itself, read through HDF5 once its seal has been found sound."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import h5py

from stackkit.api.types import Sample
from stackkit.store.errors import DamagedFileError, OtherFileError
from stackkit.store.integrity import FORMAT_VERSION, newer_format, read_seal
from stackkit.store.keys import BackboneKey, DatasetRows, FeatureDtype
from stackkit.store.rows import Places

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DTYPES: Mapping[str, FeatureDtype] = {"<f4": "float32", "<f2": "float16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Backbone setting, rows, where they lie, and provenance of everything that wrote some of them."""

    version: int
    key: BackboneKey
    rows: DatasetRows
    provenance: Sequence[Any]
    places: Places

    @property
    def fingerprints(self) -> list[bytes]:
        """Fingerprints as the checksums take them."""
        return [fingerprint.encode() for fingerprint in self.rows.fingerprints]

    def holds(self, key: BackboneKey, rows: DatasetRows) -> bool:
        """Whether the file is for exactly these rows under this setting."""
        return self.key == key and self.rows.file_name == rows.file_name


def read_contents(path: Path) -> Contents:
    """What a file says of itself; nothing unproved reaches the HDF5 library (but format 1).

    Raises DamagedFileError if that cannot be trusted, OtherFileError if it is HDF5 and not of
    stackkit, NewerFormatError, and OSError if the system does not let it be read.
    """
    with path.open("rb", buffering=0) as file:
        _prove(file)
    with _damage_named(path), h5py.File(path, "r", locking=False) as h5:
        return _read(path, h5)


def _prove(file: FileIO) -> None:
    if file.read(len(_SIGNATURE)) == _SIGNATURE:
        return  # format 1 had no seal
    if problem := read_seal(file).broken_by(file):
        raise DamagedFileError(f"{file.name} {problem}")


def _read(path: Path, h5: h5py.File) -> Contents:
    if "format_version" not in h5.attrs:
        raise OtherFileError(f"{path} is HDF5 that stackkit did not write")
    version = int(h5.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise newer_format(str(path), version)
    if version == FORMAT_VERSION and not h5.userblock_size:
        raise DamagedFileError(f"{path} has lost its seal")
    features, checksums = h5["features"], h5["checksums"]
    count, width = features.shape
    rows = _rows(h5)
    if not len(rows.samples) == len(rows.fingerprints) == count == len(checksums):
        raise DamagedFileError(f"{path} has columns of different lengths")
    key = BackboneKey(
        name=h5.attrs["backbone"],
        revision=h5.attrs["revision"],
        image_size=int(h5.attrs["image_size"]),
        feature_dim=width,
        trained=bool(h5.attrs["trained"]),
        dtype=_DTYPES[features.dtype.str],
    )
    return Contents(
        version=version,
        key=key,
        rows=rows,
        provenance=json.loads(h5.attrs["provenance"]),
        places=Places(
            features=features.id.get_offset() or 0,
            checksums=checksums.id.get_offset() or 0,
            count=count,
            width=width,
            dtype=key.dtype,
        ),
    )


def _rows(h5: h5py.File) -> DatasetRows:
    columns = zip(_texts(h5["sample_ids"]), h5["labels"][:], _texts(h5["splits"]), strict=True)
    return DatasetRows(
        dataset=h5.attrs["dataset"],
        classes=_texts(h5["class_names"]),
        samples=[Sample(id=id_, label=int(label), split=split or None) for id_, label, split in columns],
        fingerprints=_texts(h5["fingerprints"]),
    )


def _texts(dataset: h5py.Dataset) -> list[str]:
    return [text.decode() for text in dataset[:]]


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Whatever h5py raises about a file's content becomes one kind of error."""
    try:
        yield
    except DamagedFileError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        # An error number means the system (permissions, a failing disk), not the content.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError(f"{path} makes no sense to HDF5 ({error})") from error
