"""Create a feature file complete with space for all rows, so that only rows change afterwards."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stackkit.store.columns import columns
from stackkit.store.integrity import FORMAT_VERSION, USER_BLOCK_BYTES, write_seal
from stackkit.store.keys import BackboneKey, DatasetRows
from stackkit.store.rows import RowLayout

TEXT = h5py.string_dtype("utf-8")
"""Type of texts in HDF5."""

ROW_EXTRA = 128
"""Bytes per row, and per class, for the checksum, label, split, and HDF5's references to texts."""

FILE_EXTRA = 65_536
"""Bytes per file for HDF5's tables and the provenance."""

_CANNOT_RESERVE = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


def create_file(
    path: Path,
    file: FileIO,
    key: BackboneKey,
    rows: DatasetRows,
    fill: Callable[[RowLayout], Sequence[Any]],
) -> None:
    """Create the feature file at `path`, seal it, and sync it to the disk.

    Parameters
    ----------
    path, file : Path, FileIO
        An empty file, and the same file open for reading and writing.
    key, rows : BackboneKey, DatasetRows
        The backbone setting and the rows.
    fill : callable
        Called with the layout; writes the rows that are known already, and returns the provenance of
        all rows, those to come included.

    Raises
    ------
    OSError
        If the disk has no space for all rows.

    """
    # First of all: if HDF5 itself runs into a full disk, its file handle can no longer be closed.
    _reserve(file, _largest_size(key, rows))
    with h5py.File(path, "w", userblock_size=USER_BLOCK_BYTES, locking=False) as h5:
        layout = _create_datasets(h5, key, rows)
        h5.flush()
        _reserve(file, h5.id.get_filesize())  # h5py.File("w") has truncated the file
        h5.attrs["provenance"] = json.dumps(fill(layout), default=str)
    # After HDF5 has closed the file: from here on, no byte outside the rows changes.
    checksums = (layout.checksums, 4 * layout.count)
    write_seal(file, (layout.features, layout.stride * layout.count), checksums)
    os.fsync(file.fileno())


def _create_datasets(h5: h5py.File, key: BackboneKey, rows: DatasetRows) -> RowLayout:
    count, width = len(rows.samples), key.feature_dim
    features = _allocate(h5, "features", (count, width), np.dtype(key.dtype).newbyteorder("<"))
    checksums = _allocate(h5, "checksums", (count,), np.dtype("<u4"))
    ids, labels, splits = columns(rows.samples)
    texts = {
        "fingerprints": rows.fingerprints,
        "sample_ids": ids,
        # HDF5's texts have no None; "" is read back as None.
        "splits": [split or "" for split in splits],
        "class_names": rows.classes,
    }
    for name, values in texts.items():
        h5.create_dataset(name, data=np.array(values, dtype=object), dtype=TEXT)
    h5["labels"] = np.array(labels, dtype=np.int64)
    h5.attrs.update(file_attributes(key, rows))
    return RowLayout(features=features, checksums=checksums, count=count, width=width, dtype=key.dtype)


def file_attributes(
    key: BackboneKey, rows: DatasetRows, version: int = FORMAT_VERSION
) -> dict[str, Any]:
    """Return the attributes of a file, without the provenance of its rows."""
    shard = rows.shard
    return {
        "format_version": version,
        "dataset": rows.dataset,
        "backbone": key.name,
        "revision": key.revision,
        "image_size": key.image_size,
        "feature_dim": key.feature_dim,
        "trained": key.trained,
        **key.pixels,
        **({"shard": [shard.part, shard.of], "listing": shard.listing} if shard else {}),
    }


def _allocate(h5: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Create a contiguous dataset with its place in the file; return its offset in bytes."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    # By default HDF5 allocates a contiguous dataset at its first write, and it has no offset until then.
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_obj_track_times(False)  # the same content gives the same bytes
    kind, space = h5py.h5t.py_create(dtype), h5py.h5s.create_simple(shape)
    return int(h5py.h5d.create(h5.id, name.encode(), kind, space, early).get_offset() or 0)


def _reserve(file: FileIO, size: int) -> None:
    """Reserve disk space, so that a full disk is reported before any work is done."""
    if not hasattr(os, "posix_fallocate"):  # macOS and Windows
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        # Some file systems cannot reserve space: there, a full disk is noticed when rows are written.
        if error.errno not in _CANNOT_RESERVE:
            raise


def _largest_size(key: BackboneKey, rows: DatasetRows) -> int:
    """Return an upper bound, close to the actual size, for the bytes of a file."""
    ids = sum(len(name.encode()) for name in columns(rows.samples)[0])
    names = sum(map(len, rows.fingerprints)) + sum(len(name.encode()) for name in rows.classes)
    row = np.dtype(key.dtype).itemsize * key.feature_dim + ROW_EXTRA
    return row * len(rows.samples) + ids + names + ROW_EXTRA * len(rows.classes) + FILE_EXTRA


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power failure, where the system can sync folders."""
    with suppress(OSError):  # Windows cannot open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
