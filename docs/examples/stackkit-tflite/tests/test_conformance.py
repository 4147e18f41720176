"""What stackkit relies on."""

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
    """The file that the cases name: they are made before any fixture is."""
    shutil.copy(model, MODEL)
    yield
    shutil.rmtree(FOLDER)


test_conformance = conformance("stackkit_tflite", options={"tflite": {"model": str(MODEL)}})
