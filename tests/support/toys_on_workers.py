"""A plugin in a single file whose backbones do what tests of workers need, and write down each call."""

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest
from PIL import Image
from support.thread_and_process_workers import ProcessWorkers

from stackkit.execution import references
from stackkit.execution.references import host_settings, worker_host
from stackkit.extraction.backbone import make_backbone
from stackkit.extraction.dataset import open_dataset
from stackkit.host.registry import Registry

RED = (255, 0, 0)
"""Colour of an image that backbones with `on_red` do not survive."""

PLUGIN = '''
import os
import signal
import time
from functools import cached_property
from pathlib import Path

from stackkit.api import BackboneSpec, Option, Readiness, WeightsError, hookimpl


@hookimpl
def stackkit_backbones():
    options = (
        Option(
            name="pooling", default="mean", choices=("mean", "max", "box"), help="", several="expand"
        ),
        Option(name="on_red", default="nothing", choices=("nothing", "kill", "raise", "once"), help=""),
        Option(name="log", default=None, type=str, help="folder to write calls to"),
        Option(name="batch", default=32, help="batch size that it asks for"),
        Option(name="seconds", default=0.0, help="time of a call"),
    )
    return [
        BackboneSpec(name="quarters", summary="", factory="worker_toys:Quarters", options=options),
        BackboneSpec(name="mixing", summary="", factory="worker_toys:Mixing"),
        BackboneSpec(
            name="weighted",
            summary="",
            factory="worker_toys:Weighted",
            options=(Option(name="weights", default=None, type=str, help="a file"),),
        ),
    ]


class Quarters:
    """Mean or largest colour of each quarter; the poolings share a pass. `box` finds the left half."""

    image_size, trained, revision = 32, True, "1"

    def __init__(self, pooling, on_red, log, batch, seconds, others=()):
        self.pooling, self.others = pooling, others
        self.on_red, self.log = on_red, log and Path(log)
        self.batch, self.seconds = batch, seconds
        self.own_dim = 4 if pooling == "box" else 12
        self.feature_dim = self.own_dim + sum(other.own_dim for other in others)

    @property
    def pass_key(self):
        return self.on_red, str(self.log)

    def join(self, others):
        return Quarters(self.pooling, self.on_red, self.log, self.batch, self.seconds, tuple(others))

    def prepare(self, images, report):
        report(f"quarters with {self.pooling}: ready")
        return Readiness(settings={"engine": "toy"}, batch_size=self.batch)

    def extract(self, images):
        import numpy as np

        if self.log:
            text = f"{len(images)}\\n"
            with (self.log / str(os.getpid())).open("a") as file:
                file.write(text)
        time.sleep(self.seconds)
        red = (images[..., 0] > 245) & (images[..., 1] < 10) & (images[..., 2] < 10)
        if red.all(axis=(1, 2)).any():
            self.meet_red()
        tiles = images.reshape(-1, 2, 16, 2, 16, 3)
        found = []
        for part in (self, *self.others):
            if part.pooling == "box":
                found.append(np.tile(np.array([0, 0, 0.5, 1], np.float32), (len(images), 1)))
            else:
                pooled = getattr(tiles, part.pooling)(axis=(2, 4))
                found.append(pooled.reshape(len(images), 12).astype(np.float32))
        return np.hstack(found)

    def meet_red(self):
        if self.on_red == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.on_red == "raise":
            raise RuntimeError("red is not a colour")
        if self.on_red == "once":
            marker = self.log / "raised"
            if not marker.exists():
                marker.touch()
                raise RuntimeError("a bad moment")


class Weighted(Quarters):
    """Quarters that needs a file of weights."""

    def __init__(self, weights):
        super().__init__("mean", "nothing", None, 32, 0)
        self.weights = Path(weights)

    @cached_property
    def revision(self):
        if not self.weights.exists():
            raise WeightsError(f"the weights {self.weights.name} are missing")
        return self.weights.read_text()


class Mixing:
    """Features that depend on the other images."""

    image_size, feature_dim, trained, revision = 32, 3, True, "1"

    def extract(self, images):
        import numpy as np

        return (images.mean(axis=(1, 2)) - images.mean()).astype(np.float32)
'''


class ForkedWorkers(ProcessWorkers):
    """Processes that begin as copies of this one, which takes no time, and then call `begin`."""

    def __init__(self, n_workers, begin=None):
        self._begin = begin
        super().__init__(n_workers)

    def on_each_worker(self, function, /, *arguments):
        found = super().on_each_worker(function, *arguments)
        return dict(zip((f"process {n}" for n in range(1, len(found) + 1)), found.values(), strict=True))

    def _new_pool(self):
        return ProcessPoolExecutor(self.n_workers, get_context("fork"), initializer=self._begin)


def forget_plugins() -> None:
    """Load plugins again in a process that is a copy of another one."""
    references._hosts.clear()
    sys.modules.pop("worker_toys", None)


@contextmanager
def plugin_in(folder: Path) -> Iterator[Path]:
    """Write the plugin, name it where this process and its workers look, and load it."""
    path = folder / "worker_toys.py"
    path.write_text(PLUGIN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKKIT_PLUGIN_FILES", str(path))
        forget_plugins()
        yield path
    forget_plugins()


def registry() -> Registry:
    return Registry(host=worker_host(host_settings()))


def dataset_in(folder: Path):
    return open_dataset(registry().one("dataset", f"image-folder:root={folder}"))


def backbones_of(*texts: str):
    return [make_backbone(each) for each in registry().several("backbone", texts)]


def paint_red(path: Path) -> None:
    Image.new("RGB", (40, 40), RED).save(path, quality=100)


def images_computed(log: Path) -> int:
    """Number of images that all workers passed through networks."""
    files = [path for path in log.iterdir() if path.name.isdigit()]
    return sum(int(line) for path in files for line in path.read_text().split())
