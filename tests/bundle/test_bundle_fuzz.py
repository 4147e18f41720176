import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def fuzz(folder: Path, count: int) -> str:
    command = [sys.executable, "-m", "support.bundle_fuzz", str(folder / "bundle"), str(folder)]
    path = os.pathsep.join([str(TESTS), *sys.path])
    done = subprocess.run(
        [*command, str(count), "0"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_altered_bundles_are_refused_in_bounded_memory_and_nothing_runs(tmp_path: Path):
    assert int(fuzz(tmp_path, 150).split()[0]) >= 100


@pytest.mark.slow
def test_2000_altered_bundles_are_refused_in_bounded_memory_and_nothing_runs(tmp_path: Path):
    assert int(fuzz(tmp_path, 2000).split()[0]) >= 1500
