"""Workers, schedulers and commands that are killed: nothing committed is lost or computed again."""

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.cluster_runs import (
    Runs,
    committed_images,
    ended,
    error_line,
    is_alive,
    name_of,
    outcome,
    require_same,
    rows_of,
    wait_for,
)
from support.dask_processes import DaskProcesses, dask_processes

pytest.importorskip("distributed", reason="distributed, of the extra dask, is not installed")

SAMPLES = 32
"""So many images prepare the networks of a worker, also of one that joins later."""

CALL_S = 0.15
BOUND_S = 60.0
"""The command gives up a scheduler that has gone long before this; see `timeout` of the executor."""


class Kills:
    """Kills processes in the middle of calls, and knows what had been committed by then."""

    def __init__(self, runs: Runs, store: Path, seed: int) -> None:
        self.runs, self.store, self.draw = runs, store, random.Random(seed)
        self.seen: list[tuple[float, set[str]]] = []

    def kill(self, victim: int | None = None) -> None:
        """Kill a process when more rows than before have been committed; none: a busy worker."""
        before = len(self.seen[-1][1]) if self.seen else 0
        wait_for(lambda: len(committed_images(self.store)) > before)
        time.sleep(self.draw.uniform(0, CALL_S))
        if victim is None:
            victim = self.draw.choice(wait_for(self.runs.busy))
        self.note()
        os.kill(victim, signal.SIGKILL)

    def note(self) -> None:
        """Remember what has been committed."""
        now = time.monotonic()
        self.seen.append((now, committed_images(self.store)))

    def require_nothing_lost_or_repeated(self, expected: NDArray[np.float32]) -> None:
        require_same(self.store, expected)
        samples = {name_of(row) for row in expected[:SAMPLES]}
        final = committed_images(self.store)
        for seconds, kept in self.seen:
            assert kept <= final
            assert not (kept - samples) & self.runs.image_counts(since=seconds + CALL_S).keys()


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_workers_killed_in_mid_batch_lose_and_repeat_nothing_that_was_committed(
    cluster: DaskProcesses,
    small_photographs: Path,
    tmp_path: Path,
    expected: NDArray[np.float32],
    kills: int,
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    done = 0
    while done < kills:
        runs = Runs.in_folder(tmp_path / f"runs-{done}", small_photographs)
        harness = Kills(runs, tmp_path / f"store-{done}", seed + done)
        address = f"dask:address={cluster.address}"
        with ended(runs.start(address, harness.store, seconds=CALL_S)) as process:
            for _ in range(2):
                harness.kill()
                cluster.start_worker()
                done += 1
            assert rows_of(process) == (240, 0)
        harness.require_nothing_lost_or_repeated(expected)


@pytest.mark.slow
def test_a_command_that_is_killed_leaves_the_workers_free_and_the_next_one_resumes(
    cluster: DaskProcesses, runs: Runs, tmp_path: Path, expected: NDArray[np.float32]
) -> None:
    harness = Kills(runs, tmp_path / "store", 0)
    address, environ = f"dask:address={cluster.address}", {"TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    with ended(runs.start(address, harness.store, seconds=CALL_S, environ=environ)) as process:
        harness.kill(process.pid)
        assert process.wait() == -signal.SIGKILL
    kept = len(harness.seen[-1][1])
    assert 0 < kept < 240
    assert list((tmp_path / "tmp").iterdir()) == []
    with ended(runs.start(address, harness.store)) as process:
        computed, reused = rows_of(process)
    assert reused >= kept
    assert computed == 240 - reused
    harness.require_nothing_lost_or_repeated(expected)


def test_a_scheduler_that_is_killed_ends_the_command_with_one_line_and_a_rerun_resumes(
    runs: Runs, tmp_path: Path, expected: NDArray[np.float32]
) -> None:
    harness = Kills(runs, tmp_path / "store", 0)
    with dask_processes(tmp_path) as first:
        scheduler = first.start_scheduler()
        first.start_worker()
        address = f"dask:address={first.address}"
        with ended(runs.start(address, harness.store, seconds=CALL_S)) as process:
            harness.kill(scheduler.pid)
            code, _, err = outcome(process, BOUND_S)
        assert code == 12
        assert f"the Dask scheduler at {first.address}" in error_line(err)
        assert "rerun the same command" in error_line(err)
        harness.note()
        first.start_scheduler()
        first.start_worker()
        with ended(runs.start(f"dask:address={first.address}", harness.store)) as process:
            assert rows_of(process)[1] == len(harness.seen[-1][1])
    harness.require_nothing_lost_or_repeated(expected)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["a worker", "the command"])
def test_kills_on_this_machine_lose_nothing_and_leave_no_process(
    runs: Runs, tmp_path: Path, expected: NDArray[np.float32], victim: str
) -> None:
    harness = Kills(runs, tmp_path / "store", 0)
    executor, environ = "processes:workers=2", {"TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    with ended(runs.start(executor, harness.store, seconds=CALL_S, environ=environ)) as process:
        harness.kill(process.pid if victim == "the command" else None)
        if victim == "a worker":
            assert rows_of(process) == (240, 0)
        process.wait()
        pids = {call.pid for call in runs.calls()}
        wait_for(lambda: not any(map(is_alive, pids)), what="workers are left")
    with ended(runs.start(executor, harness.store, environ=environ)) as process:
        assert rows_of(process)[1] >= len(harness.seen[-1][1])
    harness.require_nothing_lost_or_repeated(expected)
    assert list((tmp_path / "tmp").iterdir()) == []
