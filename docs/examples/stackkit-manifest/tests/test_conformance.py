"""Run all checks of stackkit on six small images with boxes and splits."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stackkit.testing import conformance

FOLDER = Path(tempfile.mkdtemp(prefix="stackkit-manifest-"))
FILE, PICTURES = FOLDER / "manifest.csv", FOLDER / "pictures"

LINES = """path,label,split,x,y,w,h
a/1.png,noise,train,0,0,9,9
a/2.png,noise,train,2,3,9,9
a/3.png,noise,test,0,0,16,16
b/1.png,more noise,train,,,,
b/2.png,more noise,val,,,,
b/3.png,more noise,test,1,1,5,7
"""


@pytest.fixture(scope="module", autouse=True)
def _files() -> Iterator[None]:
    """Make the files of the cases, which pytest collects before it runs any fixture."""
    random = np.random.default_rng(0)
    for line in LINES.splitlines()[1:]:
        path = PICTURES / line.split(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 20, 3), dtype=np.uint8)).save(path)
    FILE.write_text(LINES, encoding="utf-8")
    yield
    shutil.rmtree(FOLDER)


GIVEN = {"file": str(FILE), "root": str(PICTURES)}

test_conformance = conformance("stackkit_manifest", options={"manifest": GIVEN})
test_conformance_of_boxes = conformance(
    "stackkit_manifest", options={"manifest": {**GIVEN, "crop": True}}, components=["manifest"]
)
