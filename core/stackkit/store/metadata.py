"""Read the metadata of a feature file through HDF5, after its seal has been checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any

import h5py

from stackkit.store.columns import StoredSamples
from stackkit.store.errors import DamagedFileError, MissingShardError, OtherFileError
from stackkit.store.integrity import (
    FORMAT_VERSION,
    INDEX_VERSION,
    USER_BLOCK_BYTES,
    newer_format,
    read_seal,
)
from stackkit.store.keys import BackboneKey, DatasetRows, FeatureDtype
from stackkit.store.rows import RowLayout
from stackkit.store.shards import Shard

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DTYPES: Mapping[str, FeatureDtype] = {"<f4": "float32", "<f2": "float16"}


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The metadata of a feature file, or of several that an index joins.

    Parameters
    ----------
    path : Path
        The file.
    version : int
        Version of the format.
    key : BackboneKey
        The backbone setting.
    dataset : str
        Text of the dataset, see `DatasetRows`.
    provenance : sequence
        One JSON object for each origin of rows: component, options, versions of packages.
    layout : RowLayout
        Where the rows are in the file. Of an index, only their number, width and dtype are known.
    block : bytes
        The seal of the file, with which its texts are read later; b"" in format 1, which has none.
    shard : Shard or None
        The range of a dataset that the rows are; None for a whole dataset.
    shards : tuple of Contents
        The files that an index joins, in order; empty for a file with rows of its own.

    """

    # No slots: what is read later is kept.

    path: Path
    version: int
    key: BackboneKey
    dataset: str
    provenance: Sequence[Any]
    layout: RowLayout
    block: bytes = b""
    shard: Shard | None = None
    shards: tuple[Contents, ...] = ()

    @cached_property
    def rows(self) -> DatasetRows:
        """The rows. Their texts are read when this is first asked for.

        Raises DamagedFileError if another file has taken the place of this one since.
        """
        if not self.shards:
            return _read_rows(self)
        parts = [each.rows for each in self.shards]
        return DatasetRows(
            dataset=self.dataset,
            classes=parts[0].classes,
            samples=StoredSamples.joined(part.samples for part in parts),
            fingerprints=list(chain.from_iterable(part.fingerprints for part in parts)),
        )

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """Fingerprints as bytes, which the checksums cover."""
        return [fingerprint.encode() for fingerprint in self.rows.fingerprints]

    @property
    def with_rows(self) -> tuple[Contents, ...]:
        """The files that have the rows: those that an index joins, else this one."""
        return self.shards or (self,)

    def matches(self, key: BackboneKey, rows: DatasetRows) -> bool:
        """Return whether the file is for exactly these rows and this backbone setting."""
        same_text = self.shard is not None or self.dataset == rows.dataset
        return self.key == key and same_text and self.has_images_of(rows)

    def has_images_of(self, rows: DatasetRows) -> bool:
        """Return whether the file is for these rows, by whatever text the dataset was chosen."""
        # The number first: most files of a store are told apart by it, without reading their texts.
        return self.layout.count == len(rows.samples) and self.rows.has_images_of(rows)


def read_contents(path: Path) -> Contents:
    """Read the metadata of the feature file at `path`.

    Raises
    ------
    DamagedFileError
        If the metadata cannot be trusted; OtherFileError if stackkit did not write the file;
        MissingShardError if a file that an index joins cannot be used.
    NewerFormatError
        If a newer version of stackkit wrote the file.
    OSError
        If the operating system does not let the file be read.

    """
    with path.open("rb", buffering=0) as file:
        block = _checked_seal(file)
    # Without HDF5's lock, because another process may be writing rows: they are not read here, and
    # everything else in the file never changes.
    # A file in format 1 gets here unchecked, because it has no seal.
    with _damage_as_error(path), h5py.File(path, "r", locking=False) as h5:
        names = list(map(str, h5.attrs.get("shards", ())))
        found = None if names else _read(path, h5, block)
    if found is None:
        return joined(path, [_read_shard(path, name) for name in names])
    if not block:
        _ = found.rows  # of a file in format 1, which may be damaged anywhere
    return found


def joined(path: Path, shards: Sequence[Contents]) -> Contents:
    """Return the metadata of an index at `path` that joins these files, in order."""
    first = shards[0]
    origins = {json.dumps(one, sort_keys=True): one for each in shards for one in each.provenance}
    return Contents(
        path=path,
        version=INDEX_VERSION,
        key=first.key,
        dataset=first.dataset,
        provenance=list(origins.values()),
        layout=RowLayout(
            features=0,
            checksums=0,
            count=sum(each.layout.count for each in shards),
            width=first.layout.width,
            dtype=first.key.dtype,
        ),
        shards=tuple(shards),
    )


def _read_shard(index: Path, name: str) -> Contents:
    path = index.with_name(name)
    try:
        found = read_contents(path)
    except FileNotFoundError as error:
        raise MissingShardError.of(index, name, "is missing") from error
    except DamagedFileError as error:
        raise MissingShardError.of(index, name, str(error).removeprefix(f"{path} ")) from error
    return found


def _checked_seal(file: FileIO) -> bytes:
    if file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE:
        return b""  # no user block: format 1, which had no seal, or a file of another program
    seal = read_seal(file)
    if problem := seal.problem(file):
        raise DamagedFileError(f"{file.name} {problem}")
    file.seek(0)
    return file.read(USER_BLOCK_BYTES)


def _read(path: Path, h5: h5py.File, block: bytes) -> Contents:
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
    columns = ("checksums", "fingerprints", "sample_ids", "labels", "splits")
    if any(h5[name].shape != (count,) for name in columns):
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
        path=path,
        version=version,
        key=key,
        dataset=str(h5.attrs["dataset"]),
        provenance=json.loads(h5.attrs["provenance"]),
        layout=RowLayout(
            features=features.id.get_offset() or 0,  # None for a dataset without rows
            checksums=checksums.id.get_offset() or 0,
            count=count,
            width=width,
            dtype=key.dtype,
        ),
        block=block,
        shard=_shard(h5),
    )


def _shard(h5: h5py.File) -> Shard | None:
    if "shard" not in h5.attrs:
        return None
    part, of = map(int, h5.attrs["shard"])
    return Shard(part=part, of=of, listing=str(h5.attrs["listing"]))


def _read_rows(contents: Contents) -> DatasetRows:
    path = contents.path
    with path.open("rb", buffering=0) as file:
        if contents.block and file.read(USER_BLOCK_BYTES) != contents.block:
            raise DamagedFileError(f"{path} was replaced while it was read; run the command again")
    with _damage_as_error(path), h5py.File(path, "r", locking=False) as h5:
        return DatasetRows(
            dataset=contents.dataset,
            classes=_texts(h5["class_names"]),
            samples=StoredSamples(
                ids=_texts(h5["sample_ids"]),
                labels=h5["labels"][:].tolist(),
                splits=[split or None for split in _texts(h5["splits"])],
            ),
            fingerprints=_texts(h5["fingerprints"]),
            shard=contents.shard,
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
