"""Diagnoses of the libraries that every run needs, whatever its components are."""

from __future__ import annotations

from typing import Any

DIAGNOSES = tuple(f"{__name__}:{name}" for name in ("hdf5", "numerics", "images"))


def hdf5() -> dict[str, Any]:
    """What HDF5 h5py was built with and runs on; features go through a file in memory and back."""
    import h5py
    import numpy as np

    rows = np.arange(6, dtype=np.float32)
    with h5py.File("doctor.h5", "w", driver="core", backing_store=False) as file:
        file["rows"] = rows
        if not np.array_equal(file["rows"][:], rows):
            raise OSError("HDF5 gives back other numbers than were written")
    return {
        "h5py": h5py.version.version,
        "HDF5": h5py.version.hdf5_version,
        "HDF5 built against": ".".join(map(str, h5py.version.hdf5_built_version_tuple)),
        "MPI": bool(h5py.get_config().mpi),
    }


def numerics() -> dict[str, Any]:
    """Fits a classifier; which BLAS and OpenMP it computed with."""
    import numpy as np
    import scipy
    import sklearn
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_info

    samples = np.arange(8, dtype=np.float32).reshape(8, 1)
    LogisticRegression().fit(samples, [0, 0, 0, 0, 1, 1, 1, 1]).predict_proba(samples)
    pools = sorted(
        {
            f"{pool['internal_api']} {pool['version']} x{pool['num_threads']}"
            for pool in threadpool_info()
        }
    )
    return {
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "threads": ", ".join(pools),
    }


def images() -> dict[str, Any]:
    """Pillow, and which of its optional formats this build reads."""
    from PIL import Image, __version__, features

    Image.new("RGB", (8, 8)).resize((4, 4))
    codecs = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp", "AVIF": "avif", "TIFF": "libtiff"}
    read = [
        name for name, codec in codecs.items() if codec in _known(features) and features.check(codec)
    ]
    return {"pillow": __version__, "formats": ", ".join(read)}


def _known(features: Any) -> list[str]:
    return [*features.modules, *features.codecs, *features.features]
