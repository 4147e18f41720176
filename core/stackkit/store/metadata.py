"""Read the metadata of a feature file through HDF5, after its seal has been checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import h5py

from stackkit.api.dataset import Sample
from stackkit.store.errors import DamagedFileError, OtherFileError
from stackkit.store.integrity import FORMAT_VERSION, newer_format, read_seal
from stackkit.store.keys import BackboneKey, DatasetRows, FeatureDtype
from stackkit.store.rows import RowLayout

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DTYPES: Mapping[str, FeatureDtype] = {"<f4": "float32", "<f2": "float16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The metadata of a feature file.

    Parameters
    ----------
    version : int
        Version of the format.
    key : BackboneKey
        The backbone setting.
    rows : DatasetRows
        The rows.
    provenance : sequence
        One JSON object for each origin of rows: component, options, versions of packages.
    layout : RowLayout
        Where the rows are in the file.

    """

    version: int
    key: BackboneKey
    rows: DatasetRows
    provenance: Sequence[Any]
    layout: RowLayout

    @property
    def fingerprints(self) -> list[bytes]:
        """Fingerprints as bytes, which the checksums cover."""
        return [fingerprint.encode() for fingerprint in self.rows.fingerprints]

    def matches(self, key: BackboneKey, rows: DatasetRows) -> bool:
        """Return whether the file is for exactly these rows and this backbone setting."""
        return self.key == key and self.rows.file_name == rows.file_name


def read_contents(path: Path) -> Contents:
    """Read the metadata of the feature file at `path`.

    Raises
    ------
    DamagedFileError
        If the metadata cannot be trusted; OtherFileError if stackkit did not write the file.
    NewerFormatError
        If a newer version of stackkit wrote the file.
    OSError
        If the operating system does not let the file be read.

    """
    with path.open("rb", buffering=0) as file:
        _check_seal(file)
    # Without HDF5's lock, because another process may be writing rows: they are not read here, and
    # everything else in the file never changes.
    # A file in format 1 gets here unchecked, because it has no seal.
    with _damage_as_error(path), h5py.File(path, "r", locking=False) as h5:
        return _read(path, h5)


def _check_seal(file: FileIO) -> None:
    if file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE:
        return  # no user block: format 1, which had no seal, or a file of another program
    if problem := read_seal(file).problem(file):
        raise DamagedFileError(f"{file.name} {problem}")


def _read(path: Path, h5: h5py.File) -> Contents:
    if "format_version" not in h5.attrs:
        raise OtherFileError(f"{path} is an HDF5 file that stackkit did not write")
    version = int(h5.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise newer_format(str(path), version)
    # Format 2 without a user block: bytes at the front were lost, or another program rewrote the file.
    if version == FORMAT_VERSION and not h5.userblock_size:
        raise DamagedFileError(f"{path} is damaged: its seal is missing")
    features, checksums = h5["features"], h5["checksums"]
    count, width = features.shape
    rows = _rows(h5)
    if not len(rows.samples) == len(rows.fingerprints) == count == len(checksums):
        raise DamagedFileError(f"{path} is damaged: its columns differ in length")
    key = BackboneKey(
        name=h5.attrs["backbone"],
        revision=h5.attrs["revision"],
        image_size=int(h5.attrs["image_size"]),
        feature_dim=width,
        trained=bool(h5.attrs["trained"]),
        dtype=_DTYPES[features.dtype.str],
        resize=str(h5.attrs.get("resize", "squash")),  # files of squashed whole images do not say so
        view=str(h5.attrs.get("view", "whole")),
        boxes=str(h5.attrs.get("boxes", "")),
    )
    return Contents(
        version=version,
        key=key,
        rows=rows,
        provenance=json.loads(h5.attrs["provenance"]),
        layout=RowLayout(
            features=features.id.get_offset() or 0,  # None for a dataset without rows
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
    # h5py returns texts of variable length as bytes.
    return [text.decode() for text in dataset[:]]


@contextmanager
def _damage_as_error(path: Path) -> Iterator[None]:
    """Convert the many types of error that h5py raises for damaged files to DamagedFileError."""
    try:
        yield
    except DamagedFileError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        # An error number means that the operating system refused (permissions, a failing disk); the
        # content of the file is not to blame. h5py's own OSErrors have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError(f"{path} is damaged: HDF5 cannot read it ({error})") from error
