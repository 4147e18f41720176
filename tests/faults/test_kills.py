"""An extraction or evaluation that is killed at any instant ends in what an undisturbed one finds."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

HARNESS = Path(__file__).with_name("killing.py")
KILLS = [12, pytest.param(200, marks=pytest.mark.slow)]
FIT_KILLS = [4, pytest.param(30, marks=pytest.mark.slow)]
CLI_KILLS = 5
STALLING = """
import os, time
import numpy as np
from stackkit.api import BackboneSpec, hookimpl

@hookimpl
def stackkit_backbones():
    return [BackboneSpec(name="stalling", summary="", factory="stalling:Stalling")]

class Stalling:
    image_size, feature_dim, revision, trained = 16, 768, "1", True
    calls = 0

    def extract(self, images):
        self.calls += len(images) > 4  # smaller calls are the check of a third-party backbone
        if self.calls > 2 and "STALL" in os.environ:
            time.sleep(600)  # until the test kills this process
        return images.reshape(len(images), -1).astype(np.float32)
"""


@pytest.fixture(scope="module")
def photographs(cub_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 real photographs of 20 species, made small so that a kill costs little."""
    root = tmp_path_factory.mktemp("photographs")
    for species in sorted((cub_root / "images").iterdir()):
        (root / species.name).mkdir()
        for photograph in sorted(species.iterdir())[:12]:
            with Image.open(photograph) as image:
                image.thumbnail((64, 64))
                image.convert("RGB").save(root / species.name / photograph.name)
    return root


@pytest.mark.parametrize("kills", KILLS)
def test_no_row_is_lost_or_wrong_after_any_kill(photographs: Path, kills: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    command = [sys.executable, HARNESS, "--images", photographs, "--kills", kills, "--seed", seed]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"seed {seed}\n{done.stderr}"
    seen = json.loads(done.stdout)
    assert seen["kills"] == kills
    assert seen["stores_finished"] > 0
    assert seen["states"]["between the first and the last row"] > kills // 10


@pytest.mark.parametrize("kills", FIT_KILLS)
def test_no_kept_fit_is_lost_or_done_again_after_any_kill(kills: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    harness = HARNESS.with_name("killing_evaluations.py")
    command = [sys.executable, harness, "--kills", kills, "--seed", seed]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"seed {seed}\n{done.stderr}"
    seen = json.loads(done.stdout)
    assert seen["kills"] == kills
    assert seen["states"]["between two fits"] > kills // 10


def test_the_command_itself_killed_between_two_batches_resumes(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stalling.py").write_text(STALLING, encoding="utf-8")
    command = [sys.executable, "-m", "stackkit", "--plugin", str(tmp_path / "stalling.py"), "extract"]
    command += ["--dataset", f"image-folder:root={photographs}", "--backbones", "stalling", "--store"]
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    subprocess.run([*command, str(calm)], check=True, capture_output=True)
    with monkeypatch.context() as stalled:
        stalled.setenv("STALL", "1")
        assert killed_while_it_writes([*command, str(killed)], killed, 0)
    kept = committed(killed)
    assert 0 < kept < committed(calm)
    done = subprocess.run([*command, str(killed), "--json"], check=True, capture_output=True)
    assert json.loads(done.stdout)["reused"] == {"stalling": kept}
    assert np.array_equal(features_in(killed), features_in(calm))


@pytest.mark.slow
def test_the_command_itself_killed_again_and_again_resumes_with_a_real_network(
    cub_root: Path, shared_data: Path, tmp_path: Path
) -> None:
    weights = shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
    command = [sys.executable, "-m", "stackkit", "extract"]
    command += ["--dataset", f"image-folder:root={cub_root / 'images'},limit=15"]
    backbone = f"mobilenet:alpha=0.25,size=64,engine=tensorflow,weights={weights}"
    command += ["--backbones", backbone, "--store"]
    draw, killed = random.Random(8), tmp_path / "killed"
    with subprocess.Popen([*command, str(tmp_path / "calm")], stderr=subprocess.DEVNULL) as calm:
        killed_in_time = sum(
            killed_while_it_writes([*command, str(killed)], killed, draw.random() * 0.05)
            for _ in range(CLI_KILLS)
        )
    assert calm.returncode == 0
    assert killed_in_time > 0
    assert committed(killed) > 0
    subprocess.run([*command, str(killed)], check=True, capture_output=True)
    assert np.array_equal(features_in(killed), features_in(tmp_path / "calm"))


def killed_while_it_writes(command: list[str], folder: Path, delay: float) -> bool:
    """Kill an extraction `delay` seconds after it has committed rows that were not there before."""
    before = committed(folder)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and committed(folder) <= before:
            time.sleep(0.02)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def committed(folder: Path) -> int:
    for path in folder.glob("*/*.h5"):
        with h5py.File(path, locking=False) as file:
            return int(np.count_nonzero(file["checksums"][:]))
    return 0


def features_in(folder: Path) -> np.ndarray:
    (path,) = folder.glob("*/*.h5")
    with h5py.File(path) as file:
        assert file["checksums"][:].all()
        return file["features"][:].view(np.uint32)
