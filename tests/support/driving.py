"""A process that gives work to two workers on this machine, to be interrupted or killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DRIVER = """
    import os, sys, time
    import numpy as np
    from support.driving import make
    executor = make(sys.argv[2])
    shared = executor.share(np.zeros(9))
    workers = [each.result() for each in executor.on_each_worker(os.getpid).values()]
    future = executor.submit(time.sleep, 1)
    try:
        print(*workers, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", future.result(), flush=True)
    if sys.argv[1] == "close":
        executor.close()
"""


@contextmanager
def driver(folder: Path, how: str, executor: str = "processes") -> Iterator[subprocess.Popen[str]]:
    """Start a process that uses two workers, in a process group of its own."""
    script = "\n".join(line[4:] for line in DRIVER.splitlines())
    process = subprocess.Popen(
        [sys.executable, "-c", script, how, executor],
        env={
            **os.environ,
            "TMPDIR": str(folder),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(each) for each in process.stdout.readline().split()]


def has_ended(pid: int) -> bool:
    """Whether a process that is no child of this one has ended within some seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and ") Z" in Path(f"/proc/{pid}/stat").read_text("utf-8"):
            return True  # nobody asks for its exit code, as in a container without init
        time.sleep(0.05)
    return False


def make(executor: str) -> Any:
    """Return an executor with two workers."""
    if executor == "processes":
        from stackkit_plugins.processes.executor import ProcessesExecutor

        return ProcessesExecutor(workers=2)
    from stackkit_plugins.dask_cluster.executor import DaskExecutor

    return DaskExecutor(address=None, workers=2, ca=None, cert=None, key=None, timeout=30.0)
