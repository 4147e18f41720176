"""What the checks of stackkit cannot know about Ray."""

import os
import time

import pytest
from stackkit.api import ExecutorError
from stackkit_ray.executor import RayExecutor


def test_a_network_stays_in_its_process_and_tasks_spread_over_all() -> None:
    executor = RayExecutor(address=None, workers=2)
    futures = [executor.submit(time.sleep, 0.05) for _ in range(2)]
    futures += [executor.submit(os.getpid) for _ in range(10)]
    found = {future.result(60) for future in futures[2:]}
    each = {future.result(60) for future in executor.on_each_worker(os.getpid).values()}
    assert found == each
    assert len(each) == 2
    executor.close()


def test_a_cluster_that_is_not_there_is_refused() -> None:
    with pytest.raises(ExecutorError, match="Ray cannot be used at auto: Could not find any running"):
        RayExecutor(address="auto", workers=None)
