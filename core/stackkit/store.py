"""Keep extracted features so that no image goes through a network twice.

One HDF5 file per backbone setting and dataset, laid out as docs/feature-store.md says. A row
belongs to an image's content and a backbone setting and to nothing else: its checksum covers
the image's fingerprint and the features, so that a torn or foreign row is seen and never read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stackkit.errors import StoreError
from stackkit.types import Sample

FORMAT_VERSION = 1
_SAFE = re.compile(r"[^a-z0-9.=_-]+")
_TEXT = h5py.string_dtype("utf-8")
_COLUMNS = ("fingerprints", "sample_ids", "splits", "labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneKey:
    """What decides a backbone's features: two equal keys mean interchangeable features."""

    name: str
    revision: str
    image_size: int
    feature_dim: int
    trained: bool

    @property
    def folder(self) -> str:
        """Folder of the store that holds this setting's files: readable name and digest."""
        content = json.dumps([self.name, self.revision, self.image_size, self.feature_dim])
        return f"{_slug(self.name)}-{_digest(content)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRows:
    """The rows a file is to hold: one per sample, `fingerprints[i]` of sample i's image.

    An empty fingerprint marks an image that cannot be read; its row stays empty.
    """

    dataset: str
    classes: Sequence[str]
    samples: Sequence[Sample]
    fingerprints: Sequence[str]

    @property
    def file_name(self) -> str:
        """Name of the file that holds these rows: readable name, and digest of all that is in them.

        Two datasets that are typed alike (the same relative folder, another project) are two files.
        """
        samples = [(sample.id, sample.label, sample.split) for sample in self.samples]
        content = [self.dataset, list(self.classes), samples, list(self.fingerprints)]
        return f"{_slug(self.dataset)}-{_digest(json.dumps(content))}.h5"


def _slug(text: str) -> str:
    return _SAFE.sub("-", text.lower()).strip("-")[:60]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class FeatureStore:
    """A folder of feature files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: BackboneKey, rows: DatasetRows) -> Path:
        """Where the features of these rows under a backbone setting are kept."""
        return self.folder / key.folder / rows.file_name

    def pending(self, key: BackboneKey, rows: DatasetRows) -> list[int]:
        """Rows whose image can be read and whose features are kept nowhere, in order; writes nothing."""
        path = self.path(key, rows)
        with _storage_errors(path):
            if path.exists() and _holds(path, key, rows):
                with FeatureFile(path, rows.fingerprints, writable=False) as file:
                    return file.pending()
            lacking = {fingerprint.encode() for fingerprint in rows.fingerprints if fingerprint}
            for source in path.parent.glob("*.h5"):
                forgiven = () if source == path else (OSError,)
                lacking -= {print_ for print_, _, _ in _known_rows(source, key, lacking, forgiven)}
            return [i for i, print_ in enumerate(rows.fingerprints) if print_.encode() in lacking]

    def open(
        self, key: BackboneKey, rows: DatasetRows, provenance: Mapping[str, Any], *, create: bool = True
    ) -> FeatureFile:
        """The file for these rows, made if need be from every row already computed.

        Other rows (an image was added, removed, renamed or replaced, or a class list changed) are
        another file; rows of known images are copied into it from every file of the same backbone
        setting. An older file of the dataset is removed only if all its rows are in the new one,
        so that images which are absent or unreadable for one run cost nothing later.
        Raises StoreError if the folder cannot be written, or the file is of a newer format.
        """
        path = self.path(key, rows)
        with _storage_errors(path):
            held = path.exists() and _holds(path, key, rows)
            if not held or (create and _lacks_rows_and_origin(path, rows, provenance)):
                if not create:
                    raise StoreError(
                        f"no features of these images in {path}; run `stackkit extract` first"
                    )
                _create(path, key, rows, provenance)
            return FeatureFile(path, rows.fingerprints, writable=create)


class FeatureFile:
    """Features of one dataset under one backbone setting, read and written by rows."""

    def __init__(self, path: Path, fingerprints: Sequence[str], *, writable: bool) -> None:
        self.path = path
        self._fingerprints = [fingerprint.encode() for fingerprint in fingerprints]
        self._file = h5py.File(path, "r+" if writable else "r")
        self._features = self._file["features"]
        self._checksums = self._file["checksums"]

    def __enter__(self) -> FeatureFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write everything out and let go of the file; raises StoreError on a full disk."""
        with _storage_errors(self.path):
            self._file.close()

    def pending(self) -> list[int]:
        """Rows that are absent or damaged and whose image can be read, in order."""
        intact = self.intact()
        return [i for i, print_ in enumerate(self._fingerprints) if print_ and not intact[i]]

    def intact(self) -> NDArray[np.bool_]:
        """(n,) whether each row is present and agrees with its checksum."""
        with _storage_errors(self.path):
            checksums = self._checksums[:]
            intact: NDArray[np.bool_] = checksums != 0
            for start in range(0, len(checksums), 4096):
                block = self._features[start : start + 4096]
                for offset in np.flatnonzero(intact[start : start + 4096]):
                    row = start + int(offset)
                    intact[row] = checksums[row] == _checksum(self._fingerprints[row], block[offset])
        return intact

    def write(self, rows: Sequence[int], features: NDArray[np.float32]) -> None:
        """Commit (len(rows), d) features; after it returns they survive the process's death."""
        checksums = [
            _checksum(self._fingerprints[i], row) for i, row in zip(rows, features, strict=True)
        ]
        with _storage_errors(self.path):
            self._check_in_place()
            for start, stop in _runs(rows):
                low, high = rows[start], rows[start] + stop - start
                self._features[low:high] = features[start:stop]
                self._checksums[low:high] = checksums[start:stop]
            self._file.flush()

    def read(self) -> NDArray[np.float32]:
        """(n, d) features; rows that were never written are zero, see `intact`."""
        with _storage_errors(self.path):
            features: NDArray[np.float32] = self._features[:]
        return features

    def _check_in_place(self) -> None:
        """The lock is the file's, not the name's: see that the name still means this file."""
        if not os.path.samestat(os.fstat(self._file.id.get_vfd_handle()), self.path.stat()):
            raise StoreError(
                f"{self.path} was replaced by another stackkit; run the same command again when it ends"
            )


def _checksum(fingerprint: bytes, row: NDArray[np.float32]) -> int:
    """CRC-32 over fingerprint and features; never 0, which means "not written"."""
    return zlib.crc32(np.ascontiguousarray(row, dtype="<f4").tobytes(), zlib.crc32(fingerprint)) or 1


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Positions [start, stop) of consecutive rows, so that each run is one write."""
    start = 0
    for position in range(1, len(rows) + 1):
        if position == len(rows) or rows[position] != rows[position - 1] + 1:
            yield start, position
            start = position


def _holds(path: Path, key: BackboneKey, rows: DatasetRows) -> bool:
    """Whether a file is sound and describes exactly these rows; a damaged file does not."""
    with _damage_ends_it(), h5py.File(path, "r") as file:
        _refuse_newer(path, file)
        count = len(rows.samples)
        return (
            _is_of(file, key)
            and file["features"].shape == (count, key.feature_dim)
            and (file["features"].dtype, file["checksums"].dtype) == ("<f4", "<u4")
            and all(len(file[name]) == count for name in ("checksums", *_COLUMNS))
            and _texts(file["fingerprints"]) == list(rows.fingerprints)
            and _texts(file["sample_ids"]) == [sample.id for sample in rows.samples]
            and _texts(file["class_names"]) == list(rows.classes)
            and file["labels"][:].tolist() == [sample.label for sample in rows.samples]
            and _texts(file["splits"]) == [sample.split or "" for sample in rows.samples]
        )
    return False


@contextmanager
def _damage_ends_it() -> Iterator[None]:
    """Leave the block where a file's content makes no sense; raise what the system refuses."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        # Damage makes h5py raise OSError, KeyError, RuntimeError, ValueError, TypeError ...
        # An error number means the system (a lock, permissions, a failing disk), not the content.
        if isinstance(error, OSError) and error.errno is not None:
            raise


def _is_of(file: h5py.File, key: BackboneKey) -> bool:
    """Whether a file's features are interchangeable with those of `key`."""
    found = [file.attrs[name] for name in ("backbone", "revision", "image_size", "feature_dim")]
    return found == [key.name, key.revision, key.image_size, key.feature_dim]


def _refuse_newer(path: Path, file: h5py.File) -> None:
    version = int(file.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise StoreError(
            f"{path} has format {version}, this stackkit reads up to {FORMAT_VERSION}: upgrade stackkit"
        )


def _texts(dataset: h5py.Dataset) -> list[str]:
    return [text.decode() for text in dataset[:]]


def _create(path: Path, key: BackboneKey, rows: DatasetRows, provenance: Mapping[str, Any]) -> None:
    """Make the file aside, fill in the rows that exist anywhere, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with h5py.File(aside, "w") as file:
            _lay_out(file, key, rows)
            origins = _copy_known_rows(file, path, key, rows)
            file.attrs["provenance"] = json.dumps(_distinct([*origins, provenance]), default=str)
        if path.exists():
            _require_unlocked(path)
        aside.replace(path)
        _remove_superseded(path, key, rows.dataset)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def _remove_superseded(path: Path, key: BackboneKey, dataset: str) -> None:
    """Remove older files of the same dataset that hold nothing which `path` does not hold too."""
    held = _intact_prints(path, key, dataset)
    for older in path.parent.glob("*.h5"):
        if older == path:
            continue
        with suppress(OSError):  # in use or not ours to remove: it costs room and nothing else
            _require_unlocked(older)
            if (prints := _intact_prints(older, key, dataset)) and prints <= held:
                older.unlink()


def _intact_prints(path: Path, key: BackboneKey, dataset: str) -> set[bytes]:
    """Fingerprints of all intact rows of a file of this dataset; none for another dataset's."""
    with _damage_ends_it(), h5py.File(path, "r") as file:
        if file.attrs["dataset"] != dataset:
            return set()
    return {print_ for print_, _, _ in _known_rows(path, key, None, ())}


def _remove_leftovers(path: Path) -> None:
    """Remove what killed processes left beside `path`; the asides of living ones are locked."""
    for aside in path.parent.glob(".*.h5.*"):
        with suppress(OSError):
            _require_unlocked(aside)
            aside.unlink()


def _require_unlocked(path: Path) -> None:
    """Raise BlockingIOError if another process has `path` open for writing."""
    with _damage_ends_it(), h5py.File(path, "r"):
        pass


def _lay_out(file: h5py.File, key: BackboneKey, rows: DatasetRows) -> None:
    count = len(rows.samples)
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)  # no metadata changes after creation
    early.set_obj_track_times(False)
    for name, shape, dtype in (
        ("features", (count, key.feature_dim), h5py.h5t.IEEE_F32LE),
        ("checksums", (count,), h5py.h5t.STD_U32LE),
    ):
        h5py.h5d.create(file.id, name.encode(), dtype, h5py.h5s.create_simple(shape), early)
    texts = {
        "fingerprints": rows.fingerprints,
        "sample_ids": [sample.id for sample in rows.samples],
        "splits": [sample.split or "" for sample in rows.samples],
        "class_names": rows.classes,
    }
    for name, values in texts.items():
        file.create_dataset(name, data=np.array(values, dtype=object), dtype=_TEXT)
    file["labels"] = np.array([sample.label for sample in rows.samples], dtype=np.int64)
    file.attrs.update(
        format_version=FORMAT_VERSION,
        dataset=rows.dataset,
        backbone=key.name,
        revision=key.revision,
        image_size=key.image_size,
        feature_dim=key.feature_dim,
        trained=key.trained,
    )


def _origins(file: h5py.File) -> list[Any]:
    """Provenance of everything that wrote rows of a file."""
    origins: list[Any] = json.loads(file.attrs["provenance"])
    return origins


def _distinct(origins: Sequence[Any]) -> list[Any]:
    texts = {json.dumps(origin, sort_keys=True, default=str): origin for origin in origins}
    return list(texts.values())


def _lacks_rows_and_origin(path: Path, rows: DatasetRows, provenance: Mapping[str, Any]) -> bool:
    """Whether rows are still to be written and the file does not name their origin yet.

    It is then laid out anew: a file's metadata is never changed after its creation.
    """
    with h5py.File(path, "r") as file:
        origins = _origins(file)
        unfinished = bool((file["checksums"][:] == 0)[np.array(rows.fingerprints) != ""].any())
    return unfinished and len(_distinct([*origins, provenance])) > len(_distinct(origins))


def _copy_known_rows(file: h5py.File, path: Path, key: BackboneKey, rows: DatasetRows) -> list[Any]:
    """Fill `file` with intact rows of equal fingerprints found at `path` or beside it.

    Returns the provenance of the files that rows were taken from.
    """
    origins: list[Any] = []
    taken_from: dict[Path, None] = {}
    wanted: dict[bytes, list[int]] = {}
    for index, fingerprint in enumerate(rows.fingerprints):
        if fingerprint:
            wanted.setdefault(fingerprint.encode(), []).append(index)
    for source in sorted(path.parent.glob("*.h5")):
        # Another dataset's file that is locked or may not be read costs its rows and no more.
        forgiven = () if source == path else (OSError,)
        for print_, checksum, row in _known_rows(source, key, wanted, forgiven):
            for index in wanted.pop(print_):
                file["features"][index] = row
                file["checksums"][index] = checksum
            taken_from[source] = None
    for source in taken_from:
        with _damage_ends_it(), h5py.File(source, "r") as old:
            origins += _origins(old)
    return origins


def _known_rows(
    source: Path,
    key: BackboneKey,
    wanted: Container[bytes] | None,
    forgiven: tuple[type[Exception], ...],
) -> Iterator[tuple[bytes, int, NDArray[np.float32]]]:
    """Fingerprint, checksum and features of every intact row that is wanted; None: of every one."""
    with suppress(*forgiven), _damage_ends_it(), h5py.File(source, "r") as old:
        columns = [old[name] for name in ("fingerprints", "checksums", "features")]
        usable = old.attrs["format_version"] <= FORMAT_VERSION and _is_of(old, key)
        if not usable or len({len(column) for column in columns}) > 1:
            return
        for start in range(0, len(columns[0]), 4096):
            block = [column[start : start + 4096] for column in columns]
            for print_, checksum, row in zip(*block, strict=True):
                if (
                    (wanted is None or print_ in wanted)
                    and checksum
                    and checksum == _checksum(print_, row)
                ):
                    yield print_, checksum, row


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's and HDF5's errors into one line that says what to do."""
    try:
        yield
    except BlockingIOError as error:
        raise StoreError(
            f"{path} is in use by another process, such as another stackkit; wait for it to end"
        ) from error
    except (OSError, RuntimeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.ENOSPC or "No space left" in str(error):
            advice = "the disk is full; free some space and run the same command again"
        else:
            advice = f"cannot be used ({error}); check the folder or set STACKKIT_HOME to another one"
        raise StoreError(f"{path}: {advice}; rows finished so far are kept") from error
