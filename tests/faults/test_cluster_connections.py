"""Connections of a cluster that break, stall or lose bytes: an end in bounded time, and no wrong row."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.cluster_runs import (
    Runs,
    committed_images,
    ended,
    error_line,
    name_of,
    outcome,
    require_same,
    rows_of,
    wait_for,
)
from support.dask_processes import DaskProcesses, dask_processes
from support.proxy import Fault, proxy_to

pytest.importorskip("distributed", reason="distributed, of the extra dask, is not installed")

CALL_S = 0.1


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cut", "stall", "lose"])
def test_a_broken_connection_to_the_scheduler_ends_the_command_with_one_line(
    cluster: DaskProcesses,
    runs: Runs,
    tmp_path: Path,
    expected: NDArray[np.float32],
    fault: Fault,
) -> None:
    store = tmp_path / "store"
    with proxy_to(cluster.address) as proxy:
        address = f"dask:address={proxy.address},timeout=3"
        with ended(runs.start(address, store, seconds=CALL_S)) as process:
            wait_for(lambda: committed_images(store) or process.poll() is not None)
            proxy.cause(fault)
            code, _, err = outcome(process, 40)
    assert code == 12, err
    assert "rerun the same command" in error_line(err)
    kept = committed_images(store)
    assert kept <= {name_of(row) for row in expected}
    with ended(runs.start(f"dask:address={cluster.address}", store)) as process:
        assert rows_of(process)[1] == len(kept)
    require_same(store, expected)


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[DaskProcesses]:
    """A scheduler that gives up a silent worker soon, with one worker."""
    ttl = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "4s"}
    with dask_processes(tmp_path) as processes:
        processes.start_scheduler(ttl)
        processes.start_worker()
        yield processes


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cut", "stall", "lose"])
def test_a_broken_connection_of_a_worker_costs_its_tasks_only(
    impatient: DaskProcesses,
    runs: Runs,
    tmp_path: Path,
    expected: NDArray[np.float32],
    fault: Fault,
) -> None:
    store, direct = tmp_path / "store", impatient.address
    with proxy_to(direct) as proxy:
        impatient.address = proxy.address
        broken = impatient.start_worker()
        with ended(runs.start(f"dask:address={direct}", store, seconds=CALL_S)) as process:
            wait_for(lambda: broken.pid in runs.busy())
            wait_for(lambda: committed_images(store))
            proxy.cause(fault)
            assert rows_of(process) == (240, 0)
    require_same(store, expected)
