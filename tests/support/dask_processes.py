"""A Dask scheduler and workers, each a process of its own on the loopback interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE_S = 60.0


@dataclass
class DaskProcesses:
    """A scheduler and the workers that were started for it."""

    folder: Path
    tls: Sequence[str] = ()
    address: str = ""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start_scheduler(self, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the scheduler and wait until it listens."""
        file = self.folder / f"scheduler-{len(self.processes)}.json"
        options = ["--host", "tls://127.0.0.1" if self.tls else "127.0.0.1", "--port", "0"]
        options += ["--no-dashboard", "--no-show", "--scheduler-file", str(file)]
        process = self._start("dask_scheduler", [*options, *self.tls], environ)
        end = time.monotonic() + DEADLINE_S
        while not file.exists() or not file.read_text(encoding="utf-8").strip():
            assert process.poll() is None, "the scheduler ended"
            assert time.monotonic() < end, "the scheduler does not listen"
            time.sleep(0.02)
        self.address = json.loads(file.read_text(encoding="utf-8"))["address"]
        return process

    def start_worker(
        self, *options: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a worker without a nanny, which would start it again when it dies."""
        given = [self.address, "--no-dashboard", "--no-nanny", "--nthreads", "1", *options]
        return self._start("dask_worker", [*given, *self.tls], environ)

    def _start(
        self, module: str, options: Sequence[str], environ: Mapping[str, str] | None
    ) -> subprocess.Popen[str]:
        name = f"{module}-{len(self.processes)}"
        log = (self.folder / f"{name}.log").open("w", encoding="utf-8")
        path = os.pathsep.join(each for each in sys.path if each)
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
        )
        log.close()
        self.processes.append(process)
        return process


@contextmanager
def dask_processes(folder: Path, tls: Sequence[str] = ()) -> Iterator[DaskProcesses]:
    """Yield processes that are all ended, scheduler last, at the end of the block."""
    with ExitStack() as stack:
        cluster = DaskProcesses(folder, tls)
        stack.callback(_end, cluster.processes)
        yield cluster


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in reversed(processes):
        process.kill()
        process.wait()
