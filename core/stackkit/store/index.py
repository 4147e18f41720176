"""An index joins shards: to every HDF5 program it is one file with all rows, and it copies none."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stackkit.api.errors import StoreError
from stackkit.store.create import TEXT, file_attributes
from stackkit.store.errors import DamagedFileError
from stackkit.store.integrity import INDEX_VERSION, USER_BLOCK_BYTES, read_seal, write_seal
from stackkit.store.keys import DatasetRows
from stackkit.store.locks import locked_temporary, remove_idle
from stackkit.store.metadata import Contents, joined, read_contents
from stackkit.store.reading import intact_rows, is_whole
from stackkit.store.shards import Shard, shard_named, shards_in


def is_index(path: Path) -> bool:
    """Return whether there is an index at `path`, or something so damaged that one may replace it."""
    with path.open("rb", buffering=0) as file, suppress(DamagedFileError):
        return read_seal(file).version == INDEX_VERSION
    return True


def write_index(contents: Contents) -> None:
    """Write the index of joined files at `contents.path`, beside them, unless it is there already.

    A plain file at this path stays if it is complete, or has a row that the joined files have not.
    """
    attributes = _attributes(contents)
    if not _makes_way(contents) or _is_current(contents.path, attributes):
        return
    with locked_temporary(contents.path) as (temporary, file):
        with h5py.File(temporary, "w", userblock_size=USER_BLOCK_BYTES, locking=False) as h5:
            h5.attrs.update(attributes)
            names = np.array(contents.rows.classes, dtype=object)
            h5.create_dataset("class_names", data=names, dtype=TEXT)
            for name, dtype, width in _columns(contents):
                h5.create_virtual_dataset(name, _layout(contents, name, dtype, width))
        write_seal(file, (0, 0), (0, 0), INDEX_VERSION)
        os.fsync(file.fileno())
        temporary.replace(contents.path)


def _makes_way(contents: Contents) -> bool:
    """Return whether there is no plain file at the path of an index, or it was removed as needless."""
    path = contents.path
    if not path.exists() or is_index(path):
        return True
    with suppress(StoreError):
        plain = read_contents(path)
        # Both have the same images in the same order, since the file name is a digest of them.
        if not is_whole(plain) and _intact(plain) <= _intact(contents):
            return remove_idle(path)
    return False


def _intact(contents: Contents) -> set[int]:
    return {row for row, _ in intact_rows(contents)}


def _attributes(contents: Contents) -> Mapping[str, Any]:
    rows = DatasetRows(dataset=contents.dataset, classes=(), samples=(), fingerprints=())
    return {
        **file_attributes(contents.key, rows, INDEX_VERSION),
        "shards": [each.path.name for each in contents.shards],
        "provenance": json.dumps(contents.provenance, default=str),
    }


def _is_current(path: Path, attributes: Mapping[str, Any]) -> bool:
    with suppress(OSError, StoreError):
        with path.open("rb", buffering=0) as file:
            if read_seal(file).problem(file):
                return False
        with h5py.File(path, "r", locking=False) as h5:
            names = ("shards", "provenance")
            return all(np.array_equal(h5.attrs[name], attributes[name]) for name in names)
    return False


def _columns(contents: Contents) -> list[tuple[str, np.dtype[Any], tuple[int, ...]]]:
    """Return name, type, and width of every dataset with an entry per row."""
    return [
        ("features", contents.layout.stored_dtype, (contents.layout.width,)),
        ("checksums", np.dtype("<u4"), ()),
        ("labels", np.dtype(np.int64), ()),
        *((name, TEXT, ()) for name in ("fingerprints", "sample_ids", "splits")),
    ]


def _layout(
    contents: Contents, name: str, dtype: np.dtype[Any], width: tuple[int, ...]
) -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout(shape=(contents.layout.count, *width), dtype=dtype)
    start = 0
    for each in contents.shards:
        stop = start + each.layout.count
        # Names without folders: HDF5 looks for them beside the index, wherever the folder is moved.
        layout[start:stop] = h5py.VirtualSource(
            each.path.name, name, shape=(stop - start, *width), dtype=dtype
        )
        start = stop
    return layout


def join_if_complete(folder: Path, shard: Shard) -> None:
    """Write the index of all shards of a list of images, if every one is in `folder`.

    Of several files of one shard, which differ in the content of images, the newest one counts.
    """
    found: dict[int, Path] = {}
    for path in sorted(shards_in(folder, shard.listing), key=lambda path: path.stat().st_mtime):
        named = shard_named(path.name)
        if named and named.of == shard.of:
            found[named.part] = path
    if len(found) < shard.of:
        return
    with suppress(DamagedFileError):  # the damaged one is named when it is used
        shards = [read_contents(found[part]) for part in range(1, shard.of + 1)]
        whole = joined(folder, shards)
        write_index(joined(folder / whole.rows.file_name, shards))
