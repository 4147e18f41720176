"""The writer of format 1, whose files had no seal; kept to make such files in tests."""

import json
import zlib
from collections.abc import Collection
from pathlib import Path

import h5py
import numpy as np

from stackkit.store import BackboneKey, DatasetRows

_TEXT = h5py.string_dtype("utf-8")


def write_format_1(
    path: Path, key: BackboneKey, rows: DatasetRows, features: np.ndarray, absent: Collection[int] = ()
) -> None:
    """A file with all rows but the absent ones, of provenance {"keras": "1"}."""
    with h5py.File(path, "w") as file:
        _lay_out(file, key, rows)
        file.attrs["provenance"] = json.dumps([{"keras": "1"}])
        for i, row in enumerate(features):
            if i not in absent:
                file["features"][i] = row
                file["checksums"][i] = _checksum(rows.fingerprints[i].encode(), row)


def _checksum(fingerprint: bytes, row: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(row, dtype="<f4").tobytes(), zlib.crc32(fingerprint)) or 1


def _lay_out(file: h5py.File, key: BackboneKey, rows: DatasetRows) -> None:
    count = len(rows.samples)
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
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
        format_version=1,
        dataset=rows.dataset,
        backbone=key.name,
        revision=key.revision,
        image_size=key.image_size,
        feature_dim=key.feature_dim,
        trained=key.trained,
    )
