"""Extractions as users start them, on a cluster whose workers write down what they compute, and when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

DEADLINE_S = 90.0
"""No step of a test takes longer on a slow machine; a process that takes longer hangs."""

PLUGIN = '''
import os
import signal
import time
from hashlib import blake2b
from pathlib import Path

import numpy as np

from stackkit.api import BackboneSpec, Option, Readiness, hookimpl


@hookimpl
def stackkit_backbones():
    option = Option(name="folder", default=None, type=str, help="of calls that are written down")
    return [BackboneSpec(name="logged", summary="", factory="logged:Logged", options=(option,))]


class Logged:
    """Small pictures as features; a picture that is red everywhere ends the process."""

    image_size, feature_dim, revision, trained = 16, 768, "1", True

    def __init__(self, folder):
        self.log, self.seconds = Path(folder, "log"), Path(folder, "seconds")

    def prepare(self, images, report):
        return Readiness(settings={}, batch_size=8)

    def extract(self, images):
        found = images.reshape(len(images), -1).astype(np.float32)
        self.note("begin")
        if len(images) > 4:  # smaller calls are the check of a third-party backbone
            time.sleep(float(self.seconds.read_text()))
        red = (images[..., 0] > 245) & (images[..., 1:] < 10).all(axis=-1)
        if red.all(axis=(1, 2)).any():
            os.kill(os.getpid(), signal.SIGKILL)
        self.note(*(blake2b(row.tobytes(), digest_size=8).hexdigest() for row in found))
        return found

    def note(self, *words):
        with (self.log / str(os.getpid())).open("a") as file:
            file.write(" ".join([str(time.monotonic()), *words]) + "\\n")
'''


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a worker wrote down: it began, or computed images, which are named by their features."""

    pid: int
    seconds: float
    begin: bool
    images: tuple[str, ...]


@dataclass(frozen=True)
class Runs:
    """Extractions of the same photographs by a backbone in a plugin of a single file."""

    folder: Path
    photographs: Path

    @classmethod
    def in_folder(cls, folder: Path, photographs: Path) -> Runs:
        """Write the plugin into a new folder, beside the one for what workers write down."""
        (folder / "log").mkdir(parents=True)
        runs = cls(folder, photographs)
        runs.plugin.write_text(PLUGIN, encoding="utf-8")
        return runs

    @property
    def plugin(self) -> Path:
        return self.folder / "logged.py"

    def start(
        self, executor: str, store: Path, *, seconds: float = 0.0, environ: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start `stackkit extract` in a session of its own; a call of the network takes some seconds."""
        command = [sys.executable, "-m", "stackkit", "--plugin", str(self.plugin), "extract", "--json"]
        command += ["--dataset", f"image-folder:root={self.photographs}", "--store", str(store)]
        command += ["--backbones", f"logged:folder={self.folder}", "--executor", executor]
        (self.folder / "seconds").write_text(str(seconds), encoding="utf-8")
        return subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def calls(self, begin: bool | None = None) -> list[Call]:
        """Everything that workers wrote down until now, in order of time."""
        found = []
        for file in (self.folder / "log").iterdir():
            for line in file.read_text("utf-8").splitlines():
                seconds, *words = line.split()
                begun = words == ["begin"]
                images = () if begun else tuple(words)
                found.append(
                    Call(pid=int(file.name), seconds=float(seconds), begin=begun, images=images)
                )
        return sorted((c for c in found if begin in (None, c.begin)), key=lambda call: call.seconds)

    def busy(self) -> list[int]:
        """Processes that are in a call just now, or were when they ended."""
        last = {call.pid: call for call in self.calls()}
        return [pid for pid, call in last.items() if call.begin and is_alive(pid)]

    def image_counts(self, since: float = 0.0) -> dict[str, int]:
        """How often each image was computed."""
        counts: dict[str, int] = {}
        for call in self.calls(begin=False):
            for image in call.images if call.seconds >= since else ():
                counts[image] = counts.get(image, 0) + 1
        return counts


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Any, seconds: float = DEADLINE_S, what: str = "") -> Any:
    """Return the first true value of a function."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, what or "nothing happens"
        time.sleep(0.01)
    return found


def outcome(process: subprocess.Popen[str], seconds: float = DEADLINE_S) -> tuple[int, str, str]:
    """Return exit code, output and messages; a process that does not end is a failed test."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the command hangs: {err}") from None
    return process.returncode, out, err


def rows_of(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Return how many rows a command that must succeed computed, and how many it found."""
    code, out, err = outcome(process)
    assert code == 0, err
    found = json.loads(out)
    return sum(found["computed"].values()), sum(found["reused"].values())


def error_line(err: str) -> str:
    """Return the only error among the messages of a command."""
    assert "Traceback" not in err, err
    (line,) = [each for each in err.splitlines() if each.startswith("error: ")]
    return line


def table(store: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the features of a store, and which rows are committed, also while it is written."""
    for path in store.glob("*/*.h5"):
        with h5py.File(path, "r", locking=False) as file:
            return file["features"][:], file["checksums"][:] != 0
    return np.zeros((0, 0), np.float32), np.zeros(0, np.bool_)


def committed_images(store: Path) -> set[str]:
    """Name the images of committed rows as `Runs.calls` does."""
    features, stored = table(store)
    return {name_of(row) for row in features[stored]}


def name_of(features: NDArray[np.float32]) -> str:
    return blake2b(features.tobytes(), digest_size=8).hexdigest()


def require_same(store: Path, expected: NDArray[np.float32], missing: set[int] | None = None) -> None:
    """Every row is committed and right, but for those that must be missing."""
    features, stored = table(store)
    assert set(np.flatnonzero(~stored)) == (missing or set())
    assert np.abs(features[stored] - expected[stored]).max() <= 1e-5 * np.abs(expected).max()


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kill a process and all of its session at the end of the block, if they have not ended."""
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
