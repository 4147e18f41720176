"""Fixtures that tests of several plugins use."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.making import create


@pytest.fixture
def aggregator(request: pytest.FixtureRequest) -> Any:
    """The aggregator that the test class names by `plugin` and `name`, with default options."""
    return create(request.cls.plugin, getattr(request.cls, "name", ""))


@pytest.fixture
def labels() -> np.ndarray:
    """(200,) labels of 5 classes in random order."""
    return np.random.default_rng(4).permutation(200) % 5


@pytest.fixture(scope="session")
def mobilenet_file(shared_data: Path) -> Path:
    """Real ImageNet weights of MobileNet with alpha=0.25 and classifier, as saved by Keras 2.8."""
    return shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
