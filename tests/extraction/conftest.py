"""Fixtures for extraction: a store, and photographs that may be damaged."""

import pytest
from support.extracting import Counting

from stackkit.api.backbone import Readiness
from stackkit.store import FeatureStore
from stackkit_plugins.image_folder.dataset import ImageFolder


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


@pytest.fixture
def birds(bird_folder, tmp_path, monkeypatch):
    """18 photographs, extracted in chunks of 4; its files may be damaged."""
    for module in ("preparation", "ready_networks"):
        monkeypatch.setattr(f"stackkit.extraction.{module}.SAMPLE_IMAGES", 4)
    for module in ("backbone", "preparation"):
        monkeypatch.setattr(
            f"stackkit.extraction.{module}.DEFAULT_READINESS", Readiness(settings={}, batch_size=4)
        )
    root = tmp_path / "birds"
    for path in bird_folder.rglob("*.jpg"):
        (root / path.parent.name).mkdir(parents=True, exist_ok=True)
        (root / path.parent.name / path.name).write_bytes(path.read_bytes())
    return Counting(ImageFolder(root))
