"""Make one model file for all tests."""

from pathlib import Path

import pytest
from converting import convert


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 MobileNet."""
    file = tmp_path_factory.mktemp("model") / "mobilenet.tflite"
    convert(file)
    return file
