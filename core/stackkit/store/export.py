"""Export features with everything that gives their rows a meaning, for use without stackkit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import StoreError
from stackkit.store.catalogue import row_states
from stackkit.store.columns import columns
from stackkit.store.errors import DamagedFileError
from stackkit.store.metadata import Contents
from stackkit.store.reading import blocks
from stackkit.store.rows import intact_in
from stackkit.utils.files import temporary_path

ExportFormat = Literal["npy", "parquet", "hdf5"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The intact rows of the feature file at `path`, in order; n is their number."""

    path: Path
    contents: Contents

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """(n,) row numbers in the file."""
        return np.array(row_states(self.contents).intact, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features, (n, d)."""
        return len(self.numbers), self.contents.layout.width

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The dtype of the features in the file."""
        return self.contents.layout.stored_dtype

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(n,) indices into the class names."""
        return np.array(columns(self.contents.rows.samples)[1], dtype=np.int64)[self.numbers]

    @cached_property
    def sample_ids(self) -> list[str]:
        """The n names of the images in their dataset."""
        names = columns(self.contents.rows.samples)[0]
        return [names[i] for i in self.numbers.tolist()]

    @cached_property
    def splits(self) -> list[str]:
        """The n official parts of the images: "train", "val", "test", or ""."""
        parts = columns(self.contents.rows.samples)[2]
        return [parts[i] or "" for i in self.numbers.tolist()]

    @property
    def origin(self) -> dict[str, Any]:
        """Where the features come from, as JSON."""
        key = self.contents.key
        return {
            "dataset": self.contents.dataset,
            "backbone": key.name,
            "revision": key.revision,
            "image_size": key.image_size,
            "trained": key.trained,
            **key.pixels,
            "provenance": list(self.contents.provenance),
        }

    def blocks(self) -> Iterator[tuple[int, int, NDArray[np.floating]]]:
        """Yield positions [start, stop) in the selection and their features (stop - start, d).

        Raises DamagedFileError if a row has changed since it was selected.
        """
        begin, fingerprints = 0, self.contents.fingerprints
        for start, checksums, features in blocks(self.contents):
            first, last = np.searchsorted(self.numbers, (start, start + len(features)))
            inside = self.numbers[first:last] - start
            # Checked again, because no lock is taken: the shape of the export is fixed by now, so a row
            # cannot simply be left out.
            found = intact_in(checksums, features, fingerprints, start)
            if not set(inside.tolist()) <= {row - start for row in found}:
                raise DamagedFileError(f"{self.path} changed during the export; run the command again")
            yield begin, begin + len(inside), features[inside]
            begin += len(inside)


def export(
    path: Path, contents: Contents, kind: ExportFormat, out: Path, *, overwrite: bool = False
) -> int:
    """Write the intact rows of a feature file to `out`.

    Parameters
    ----------
    path, contents : Path, Contents
        The feature file and its metadata.
    kind : {"npy", "parquet", "hdf5"}
        Format of the export: a folder of NumPy files, a Parquet table or a plain HDF5 file.
    out : Path
        Where to write. A failed export leaves what was there before.
    overwrite : bool
        Replace an existing file, or a folder that an earlier export wrote.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    StoreError
        If `out` exists and may not be replaced, cannot be written, or pyarrow is missing.

    """
    if (out.exists() or out.is_symlink()) and not overwrite:
        raise StoreError(f"{out} already exists; choose another --out or add --overwrite")
    if out.is_dir() and not _is_export(out):
        raise StoreError(f"{out} is a folder that export did not write; choose another --out")
    selection = Selection(path=path, contents=contents)
    temporary = temporary_path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _WRITERS[kind](selection, temporary)
        # Not `atomic_write`: it can neither rename a folder over another one nor remove a folder.
        if out.is_dir() or temporary.is_dir():
            _remove(out)
        temporary.replace(out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        _remove(temporary)
    return len(selection.numbers)


def _is_export(folder: Path) -> bool:
    return {found.name for found in folder.iterdir()} <= {"features.npy", "labels.npy", "about.json"}


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()


def _write_npy(selection: Selection, folder: Path) -> None:
    """Write a folder with features.npy (n, d), labels.npy (n,), and about.json with all names."""
    folder.mkdir()
    features = np.lib.format.open_memmap(
        folder / "features.npy", mode="w+", dtype=selection.dtype, shape=selection.shape
    )
    for start, stop, block in selection.blocks():
        features[start:stop] = block
    features.flush()
    np.save(folder / "labels.npy", selection.labels)
    about = {
        "sample_ids": selection.sample_ids,
        "splits": selection.splits,
        "class_names": list(selection.contents.rows.classes),
        **selection.origin,
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _write_hdf5(selection: Selection, path: Path) -> None:
    """Write one HDF5 file without checksums and digests, which any HDF5 reader can read."""
    text = h5py.string_dtype("utf-8")
    # Block by block, as in every format here: features may be larger than the memory.
    with h5py.File(path, "w") as h5:
        features = h5.create_dataset("features", shape=selection.shape, dtype=selection.dtype)
        for start, stop, block in selection.blocks():
            features[start:stop] = block
        h5["labels"] = selection.labels
        columns = {
            "sample_ids": selection.sample_ids,
            "splits": selection.splits,
            "class_names": list(selection.contents.rows.classes),
        }
        for name, values in columns.items():
            h5.create_dataset(name, data=np.array(values, dtype=object), dtype=text)
        for name, value in selection.origin.items():
            h5.attrs[name] = json.dumps(value) if name == "provenance" else value


def _write_parquet(selection: Selection, path: Path) -> None:
    """Write one table: sample_id, label, class_name, split, and features as a fixed-size list."""
    try:
        # Imported here, because pyarrow is optional.
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise StoreError("Parquet needs pyarrow; run: pip install 'stackkit[parquet]'") from error
    classes, width = selection.contents.rows.classes, selection.shape[1]
    schema = pa.schema(
        [
            ("sample_id", pa.string()),
            ("label", pa.int64()),
            ("class_name", pa.string()),
            ("split", pa.string()),
            ("features", pa.list_(pa.from_numpy_dtype(selection.dtype), width)),
        ],
        metadata={"stackkit": json.dumps({"class_names": list(classes), **selection.origin})},
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start, stop, block in selection.blocks():
            labels = selection.labels[start:stop]
            columns = [
                pa.array(selection.sample_ids[start:stop], pa.string()),
                pa.array(labels),
                pa.array([classes[label] for label in labels], pa.string()),
                pa.array([split or None for split in selection.splits[start:stop]], pa.string()),
                pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), width),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


_WRITERS: Mapping[ExportFormat, Callable[[Selection, Path], None]] = {
    "npy": _write_npy,
    "parquet": _write_parquet,
    "hdf5": _write_hdf5,
}
