"""Find the feature file for given rows, or create it from everything that is stored already."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from stackkit.api.errors import StoreError
from stackkit.store.errors import DamagedFileError, storage_errors
from stackkit.store.file import FeatureFile
from stackkit.store.index import is_index, join_if_complete, write_index
from stackkit.store.keys import BackboneKey, DatasetRows, FeatureDtype, slug
from stackkit.store.metadata import Contents, joined, read_contents
from stackkit.store.reading import is_whole
from stackkit.store.recreate import create_with_known_rows, must_recreate
from stackkit.store.reuse import row_sources
from stackkit.store.shards import ENDING, Shard, counts_of, shard_named, shards_in


class FeatureStore:
    """A folder of feature files.

    Parameters
    ----------
    folder : Path
        The folder. It is created when the first file is.
    dtype : {"float32", "float16"}
        How features are stored. float16 files are separate files, in folders of their own. Those with an
        exact key are float32 always.

    """

    def __init__(self, folder: Path, dtype: FeatureDtype = "float32") -> None:
        self.folder = folder
        self.dtype = dtype

    def path(self, key: BackboneKey, rows: DatasetRows) -> Path:
        """Return where the features of these rows for a backbone setting are stored, or will be.

        Of a dataset that is stored in shards it is the path of their index, which may not exist.
        """
        return self._path(key, self._as_stored(key, rows))

    def paths(self, key: BackboneKey, rows: DatasetRows) -> list[Path]:
        """Return the files with the rows of a backbone setting, or where they will be; mostly one."""
        rows = self._as_stored(key, rows)
        return [self._path(key, part) for part in self._shards(key, rows) or [rows]]

    def missing_bytes(self, key: BackboneKey, rows: DatasetRows) -> int:
        """Return the bytes on disk that the features need in addition to what is used already."""
        parts = self._shards(key, rows) or [rows]
        new = [len(part.samples) for part in parts if not self.path(key, part).exists()]
        return self.row_bytes(key.feature_dim) * sum(new)

    def _path(self, key: BackboneKey, rows: DatasetRows) -> Path:
        folder = self.folder / self._setting(key).folder
        if rows.shard:  # its name may begin with another text of the dataset
            return next(iter(sorted(folder.glob(f"*-{rows.ending}"))), folder / rows.file_name)
        return folder / rows.file_name

    def _setting(self, key: BackboneKey) -> BackboneKey:
        """Return the key of the features as this store keeps them."""
        return replace(key, dtype="float32" if key.exact else self.dtype)

    def _as_stored(self, key: BackboneKey, rows: DatasetRows) -> DatasetRows:
        """Return the rows with the text of the dataset under which their features are stored.

        That is their own text if there is a file for it, or no file of the setting for these images.
        """
        key, path = self._setting(key), self._path(key, rows)
        if rows.shard or path.exists():
            return rows
        for other in _readable(each for each in path.parent.glob("*.h5") if not shard_named(each.name)):
            if other.key == key and other.has_images_of(rows):
                return replace(rows, dataset=other.dataset)
        return rows

    def _shards(self, key: BackboneKey, rows: DatasetRows) -> list[DatasetRows]:
        """Return the shards in which the rows are stored, at least one of them; [] for a plain file."""
        path = self._path(key, rows)
        if rows.shard or not any(shard_named(each.name) for each in path.parent.glob("*.h5")):
            return []
        present = shards_in(path.parent, rows.listing)
        names = {each.name[-len(ENDING) :] for each in present}
        best, found = 0.0, list[DatasetRows]()
        for count in sorted(counts_of(present)):
            all_parts = (Shard(part=i, of=count, listing=rows.listing) for i in range(1, count + 1))
            parts = [rows.part(shard) for shard in all_parts]
            share = sum(part.ending in names for part in parts) / count
            if share > best:
                best, found = share, parts
        # A plain file that was begun gave its rows to the shards when they were created.
        return [] if _is_plain(path) and (best < 1 or _is_complete(path)) else found

    def row_bytes(self, feature_dim: int) -> int:
        """Return the bytes that the features of one image need on disk."""
        return np.dtype(self.dtype).itemsize * feature_dim

    def files_of(self, name: str, rows: DatasetRows) -> Iterator[Contents]:
        """Yield the metadata of every intact file for exactly these rows, in any setting of a backbone.

        Parameters
        ----------
        name : str
            Qualified name of the backbone.
        rows : DatasetRows
            The rows.

        Yields
        ------
        Contents
            Metadata of one file, most recently used first.

        """
        for pattern in (rows.file_name, "*.h5"):  # the second: for another text of the dataset
            paths = self.folder.glob(f"{slug(name)}-*/{pattern}")
            found = [
                contents
                for contents in _readable(sorted(paths, key=_last_used, reverse=True))
                if contents.key.name == name and contents.has_images_of(rows)
            ]
            if found:
                yield from found
                return

    def pending(self, key: BackboneKey, rows: DatasetRows) -> list[int]:
        """Return the rows that would have to be computed; writes nothing.

        Parameters
        ----------
        key, rows : BackboneKey, DatasetRows
            The backbone setting and the rows.

        Returns
        -------
        list of int
            Rows with a readable image and no stored features in any file of the setting, in order.

        Raises
        ------
        StoreError
            If the folder cannot be read, or the file is in a newer format.

        """
        key, rows = self._setting(key), self._as_stored(key, rows)
        path = self._path(key, rows)
        if parts := self._shards(key, rows):
            starts = accumulate((len(part.samples) for part in parts), initial=0)
            counted = zip(starts, parts, strict=False)
            return [start + row for start, part in counted for row in self.pending(key, part)]
        with storage_errors(path):
            if contents := _matching_contents(path, key, rows):
                with FeatureFile(path, contents, writable=False) as file:
                    return file.pending()
            # There is no file for these rows; `open` would create one and copy known rows to it.
            known = set[bytes]()
            for source in row_sources(path, key, rows):
                known |= source.intact_fingerprints(key.dtype)
            fingerprints = [fingerprint.encode() for fingerprint in rows.fingerprints]
            return [i for i, each in enumerate(fingerprints) if each and each not in known]

    def open(
        self, key: BackboneKey, rows: DatasetRows, provenance: Mapping[str, Any], *, create: bool = True
    ) -> FeatureFile:
        """Open the file for these rows; if there is none, create it from all rows stored already.

        Parameters
        ----------
        key, rows : BackboneKey, DatasetRows
            The backbone setting and the rows.
        provenance : mapping
            JSON object that describes the origin of the rows to be written. Empty if no row will be.
        create : bool
            Open the file for writing, and create it if necessary. False opens it for reading, even
            while another process writes to it.

        Raises
        ------
        StoreError
            If the folder cannot be written, another process is writing the file, the file is in a newer
            format, or `create` is False and there is no file.

        Notes
        -----
        Rows belong to the content of images. If an image is added, removed, renamed or replaced, or the
        class list changes, there is a new file, and rows of known images are copied to it from every
        file of the same backbone setting. The same images under another text of the dataset, such as
        `root=bin/` for `root=bin`, are the same file. An older file of the dataset is removed only if
        the new one has all its rows: an image that is unreadable during one run keeps its row. Rows in
        shards stay there: missing shards are created, and their index when the last one is there.

        """
        key, rows = self._setting(key), self._as_stored(key, rows)
        path = self._path(key, rows)
        if parts := self._shards(key, rows):
            return self._open_shards(path, key, parts, provenance, create=create)
        file = self._open_file(path, key, rows, provenance, create=create)
        if create and rows.shard:
            with storage_errors(path):
                join_if_complete(path.parent, rows.shard)
        return file

    def _open_file(
        self,
        path: Path,
        key: BackboneKey,
        rows: DatasetRows,
        provenance: Mapping[str, Any],
        *,
        create: bool,
    ) -> FeatureFile:
        with storage_errors(path):
            contents = _matching_contents(path, key, rows)
            if not create and contents is None:
                raise StoreError(_nothing_stored(path, rows))
            if create and (contents is None or must_recreate(path, contents, provenance)):
                create_with_known_rows(path, key, rows, provenance)
                contents = read_contents(path)
            assert contents is not None
            file = FeatureFile(path, contents, writable=create)
        with suppress(OSError):  # the folder may be read-only
            os.utime(path)  # the time of last use, for `stackkit features gc`
        return file

    def _open_shards(
        self,
        path: Path,
        key: BackboneKey,
        parts: Sequence[DatasetRows],
        provenance: Mapping[str, Any],
        *,
        create: bool,
    ) -> FeatureFile:
        """Open all shards as one file; with `create`, missing ones are created, and their index."""
        shards = []
        for part in parts:
            with self._open_file(self._path(key, part), key, part, provenance, create=create) as file:
                shards.append(file.contents)
        contents = joined(path, shards)
        with storage_errors(path):
            if create:
                write_index(contents)
            return FeatureFile(path, contents, writable=create)


def _readable(paths: Iterable[Path]) -> Iterator[Contents]:
    for path in paths:
        with suppress(StoreError, OSError):
            yield read_contents(path)


def _is_plain(path: Path) -> bool:
    return path.exists() and not is_index(path)


def _is_complete(path: Path) -> bool:
    with suppress(StoreError, OSError):
        return is_whole(read_contents(path))
    return False


def _last_used(path: Path) -> tuple[float, Path]:
    with suppress(OSError):
        return path.stat().st_mtime, path
    return 0.0, path


def _matching_contents(path: Path, key: BackboneKey, rows: DatasetRows) -> Contents | None:
    # A damaged file is as good as none: `_create` rescues its rows and replaces it. NewerFormatError is
    # raised, because a newer file must not be replaced.
    with suppress(DamagedFileError, FileNotFoundError):
        contents = read_contents(path)
        return contents if contents.matches(key, rows) else None
    return None


def _nothing_stored(path: Path, rows: DatasetRows) -> str:
    if rows.shard is None:
        return f"no features of these images are stored in {path}; run `stackkit extract` first"
    what = "is damaged" if path.exists() else "is missing"
    return (
        f"shard {rows.shard} of the features {what}: {path}; run `stackkit extract "
        f"--shard {rows.shard}` with the same --dataset and --backbones"
    )
