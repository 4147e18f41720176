"""A small store of known rows, for what the fault tests do to it."""

from pathlib import Path

import numpy as np

from stackkit.api.dataset import Sample
from stackkit.store import BackboneKey, DatasetRows, FeatureStore

COUNT, WIDTH = 60, 32
KEY = BackboneKey(name="p/net", revision="r1", image_size=8, feature_dim=WIDTH, trained=True)
ROWS = DatasetRows(
    dataset="birds",
    classes=("a", "b"),
    samples=[Sample(id=f"{k}.jpg", label=k % 2) for k in range(COUNT)],
    fingerprints=[f"{k:032x}" for k in range(COUNT)],
)
FEATURES = np.random.default_rng(3).random((COUNT, WIDTH), dtype=np.float32)


def fill(folder: Path) -> Path:
    """Store all rows; returns the file."""
    with FeatureStore(folder).open(KEY, ROWS, {"keras": "1"}) as file:
        file.write(range(COUNT), FEATURES)
    return file.path
