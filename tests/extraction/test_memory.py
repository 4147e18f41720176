"""An extraction of many images needs no more memory than one of few."""

import subprocess
import sys
from pathlib import Path

FEW, MANY = 400, 8_000
TOLERANCE_MB = 30.0
"""For what is known of each image: its sample, fingerprint and place (about 1 kB each).

One size of its pixels alone would take 7,600 x 96 x 96 x 3 bytes = 210 MB.
"""

EXTRACTION = """
import io, resource, sys
from pathlib import Path
import numpy as np
from PIL import Image
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.extract import extract, fingerprints
from stackkit.store import FeatureStore
from stackkit.api.backbone import Readiness
from stackkit.api.dataset import Sample
from stackkit.api.reporter import SilentReporter


def jpeg(k):
    pixels = np.random.default_rng(k).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((96, 96)).save(file, "JPEG")
    return file.getvalue()


class Snapshots:
    classes, notes = ("even", "odd"), ()

    def __init__(self, count):
        self.samples = [Sample(id=f"snapshots/{i:06}.jpg", label=i % 2) for i in range(count)]
        self.files = [jpeg(k) for k in range(16)]

    def image(self, i):
        return Image.open(io.BytesIO(self.files[i % 16])).convert("RGB")

    def fingerprint(self, i):
        return f"{i:032x}"


class Thumbnails:
    feature_dim, revision, trained = 108, "1", True

    def __init__(self, size):
        self.image_size = size

    def prepare(self, images, tell):
        return Readiness(settings={}, batch_size=64)

    def extract(self, images):
        n, size = len(images), self.image_size
        tiles = images.reshape(n, 6, size // 6, 6, size // 6, 3)
        return tiles.mean(axis=(2, 4), dtype=np.float32).reshape(n, 108)


dataset = Snapshots(int(sys.argv[1]))
rows, failed = fingerprints("snapshots", dataset, SilentReporter())
backbones = [
    CheckedBackbone(label=f"{size}", qualified_name="test/t", backbone=Thumbnails(size), provenance={})
    for size in (96, 72)
]
summary = extract(dataset, rows, backbones, FeatureStore(Path(sys.argv[2])), SilentReporter())
assert summary.computed == {"96": len(dataset.samples), "72": len(dataset.samples)}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak * (1 if sys.platform == "darwin" else 1024))
"""


def peak_mb(count: int, folder: Path) -> float:
    """Peak memory, in MB, of a process that extracts `count` images."""
    command = [sys.executable, "-c", EXTRACTION, str(count), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1e6


def test_twenty_times_the_images_take_the_same_memory(tmp_path: Path) -> None:
    few, many = peak_mb(FEW, tmp_path / "few"), peak_mb(MANY, tmp_path / "many")
    assert many - few < TOLERANCE_MB
