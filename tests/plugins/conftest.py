"""What tests of several plugins ask for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.making import create


@pytest.fixture
def aggregator(request: pytest.FixtureRequest) -> Any:
    """The aggregator of the class's `plugin`, with default options."""
    return create(request.cls.plugin)


@pytest.fixture
def labels() -> np.ndarray:
    """(200,) labels of 5 classes, in any order."""
    return np.random.default_rng(4).permutation(200) % 5


@pytest.fixture(scope="session")
def mobilenet_file(shared_data: Path) -> Path:
    """Real ImageNet weights of MobileNet with alpha=0.25, with its top, as Keras 2.8 saved them."""
    return shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
