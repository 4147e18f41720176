"""Diagnoses of the libraries that every run needs; each is called in a separate process."""

from __future__ import annotations

from typing import Any

DIAGNOSES = tuple(f"{__name__}:{name}" for name in ("hdf5", "numerics", "images"))


def hdf5() -> dict[str, Any]:
    """Write and read rows in memory; return the versions of HDF5."""
    import h5py
    import numpy as np

    rows = np.arange(6, dtype=np.float32)
    with h5py.File("doctor.h5", "w", driver="core", backing_store=False) as file:
        file["rows"] = rows
        if not np.array_equal(file["rows"][:], rows):
            raise OSError("HDF5 returned other values than were written")
    built = ".".join(map(str, h5py.version.hdf5_built_version_tuple))
    return {"HDF5": h5py.version.hdf5_version, "built against": built}


def numerics() -> dict[str, Any]:
    """Fit a classifier; return the thread pools of NumPy, SciPy and scikit-learn."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_info

    samples = np.arange(8, dtype=np.float32).reshape(8, 1)
    LogisticRegression().fit(samples, [0, 0, 0, 0, 1, 1, 1, 1]).predict_proba(samples)
    pools = threadpool_info()
    texts = {f"{one['internal_api']} {one['version']} x{one['num_threads']}" for one in pools}
    return {"threads": ", ".join(sorted(texts))}


def images() -> dict[str, Any]:
    """Resize an image; return the optional formats that Pillow reads."""
    from PIL import Image, features

    Image.new("RGB", (8, 8)).resize((4, 4))
    codecs = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp", "AVIF": "avif", "TIFF": "libtiff"}
    return {"formats": ", ".join(name for name, codec in codecs.items() if features.check(codec))}
