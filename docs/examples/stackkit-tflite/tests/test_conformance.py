"""Run all checks of stackkit."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from stackkit.testing import conformance

FOLDER = Path(tempfile.mkdtemp(prefix="stackkit-tflite-"))
MODEL = FOLDER / "mobilenet.tflite"


@pytest.fixture(scope="module", autouse=True)
def _file(model: Path) -> Iterator[None]:
    """Make the file of the cases, which pytest collects before it runs any fixture."""
    shutil.copy(model, MODEL)
    yield
    shutil.rmtree(FOLDER)


test_conformance = conformance("stackkit_tflite", options={"tflite": {"model": str(MODEL)}})
