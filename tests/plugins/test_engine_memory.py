"""Memory of extraction with a real engine does not grow with the number of images."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stackkit_plugins.shared.keras_network import engines

FEW, MANY = 160, 1_600
TOLERANCE_MB = 40.0
"""Metadata takes about 1 kB per image; keeping all pixels at 96 x 96 would take 40 MB."""


@pytest.fixture(scope="module")
def photographs(bird_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Two folders of small photographs, each made unique by a few bytes at its end."""
    originals = [path.read_bytes() for path in sorted(bird_folder.rglob("*.jpg"))]
    folders = {}
    for count in (FEW, MANY):
        folders[count] = root = tmp_path_factory.mktemp(f"photographs-{count}")
        for number in range(count):
            path = root / f"class{number % 2}" / f"{number:05}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(originals[number % len(originals)] + number.to_bytes(4, "big"))
    return folders


def peak_mb(folder: Path, engine: str, scratch: Path) -> float:
    """Return the peak memory of `stackkit extract` in MB, without the process that selects engines."""
    network = f"mobilenet:alpha=0.25,size=96,weights=random,engine={engine}"
    command = ["-m", "stackkit", "extract", "--dataset", f"image-folder:root={folder}"]
    process = subprocess.Popen(
        [sys.executable, *command, "--backbones", network, "--store", str(scratch)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, errors
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino", "mnn"])
def test_ten_times_the_images_take_the_same_memory(engine, photographs, tmp_path, bird_folder):
    if engines.engine_version(engine) is None:
        pytest.skip(f"{engine} is not installed (extra: fast)")
    peak_mb(bird_folder, engine, tmp_path / "trial")  # engines are benchmarked once per machine
    few = peak_mb(photographs[FEW], engine, tmp_path / "few")
    many = peak_mb(photographs[MANY], engine, tmp_path / "many")
    assert many - few < TOLERANCE_MB
