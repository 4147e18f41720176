"""Lay a feature file out in full, so that nothing but rows changes from then on."""

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

from stackkit.store.integrity import BLOCK, FORMAT_VERSION, seal
from stackkit.store.keys import BackboneKey, DatasetRows
from stackkit.store.rows import Places

_TEXT = h5py.string_dtype("utf-8")
ROW_EXTRA = 128
"""Bytes per row, or per class, for checksum, label, split, and HDF5's references to texts."""

FILE_EXTRA = 65_536
"""Bytes for HDF5's tables and the provenance."""

_NO_RESERVING = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


def lay_out(
    path: Path,
    file: FileIO,
    key: BackboneKey,
    rows: DatasetRows,
    fill: Callable[[Places], Sequence[Any]],
) -> None:
    """Make the file at `path`, which `file` has open, let `fill` write rows, and seal it durably.

    `fill` returns the provenance. Raises OSError if there is no room for all rows.
    """
    _reserve(file, _size_at_most(key, rows))  # where HDF5 itself meets a full disk, it leaves a mess
    with h5py.File(path, "w", userblock_size=BLOCK, locking=False) as h5:
        places = _make_datasets(h5, key, rows)
        h5.flush()
        _reserve(file, h5.id.get_filesize())
        h5.attrs["provenance"] = json.dumps(fill(places), default=str)
    checksums = (places.checksums, 4 * places.count)
    seal(file, (places.features, places.stride * places.count), checksums)
    os.fsync(file.fileno())


def _make_datasets(h5: h5py.File, key: BackboneKey, rows: DatasetRows) -> Places:
    count, width = len(rows.samples), key.feature_dim
    features = _allocated(h5, "features", (count, width), np.dtype(key.dtype).newbyteorder("<"))
    checksums = _allocated(h5, "checksums", (count,), np.dtype("<u4"))
    texts = {
        "fingerprints": rows.fingerprints,
        "sample_ids": [sample.id for sample in rows.samples],
        "splits": [sample.split or "" for sample in rows.samples],
        "class_names": rows.classes,
    }
    for name, values in texts.items():
        h5.create_dataset(name, data=np.array(values, dtype=object), dtype=_TEXT)
    h5["labels"] = np.array([sample.label for sample in rows.samples], dtype=np.int64)
    h5.attrs.update(
        format_version=FORMAT_VERSION,
        dataset=rows.dataset,
        backbone=key.name,
        revision=key.revision,
        image_size=key.image_size,
        feature_dim=key.feature_dim,
        trained=key.trained,
    )
    return Places(features=features, checksums=checksums, count=count, width=width, dtype=key.dtype)


def _allocated(h5: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Make a contiguous dataset that has its place in the file now; returns where it begins."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_obj_track_times(False)
    kind, space = h5py.h5t.py_create(dtype), h5py.h5s.create_simple(shape)
    return int(h5py.h5d.create(h5.id, name.encode(), kind, space, early).get_offset() or 0)


def _reserve(file: FileIO, size: int) -> None:
    """Take the room now, so that a full disk is reported before any work is done."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in _NO_RESERVING:  # some file systems cannot promise room
            raise


def _size_at_most(key: BackboneKey, rows: DatasetRows) -> int:
    """Bytes that are enough for a file, and hardly more."""
    ids = sum(len(sample.id.encode()) for sample in rows.samples)
    names = sum(map(len, rows.fingerprints)) + sum(len(name.encode()) for name in rows.classes)
    row = np.dtype(key.dtype).itemsize * key.feature_dim + ROW_EXTRA
    return row * len(rows.samples) + ids + names + ROW_EXTRA * len(rows.classes) + FILE_EXTRA


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power failure, where folders can be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
