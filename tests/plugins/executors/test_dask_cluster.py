"""Clusters of Dask as users run them: scheduler and workers are processes of their own."""

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.certificates import make_certificates
from support.dask_processes import DaskProcesses, dask_processes
from support.driving import driver, has_ended, workers_of
from support.pages import blocks

from stackkit.api import ExecutorError, UsageError, WorkerDiedError
from stackkit.testing import worker_tasks as tasks

pytest.importorskip("distributed", reason="distributed, of the extra dask, is not installed")

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "executors.md"
TOTAL = int(tasks.Large().numbers.sum())


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskProcesses]:
    with dask_processes(tmp_path) as processes:
        processes.start_scheduler()
        yield processes


def make(address: str | None, **given: Any) -> Any:
    from stackkit_plugins.dask_cluster.executor import DaskExecutor

    options = {"workers": None, "ca": None, "cert": None, "key": None, "timeout": 20.0}
    return DaskExecutor(address=address, **{**options, **given})


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"address": "http://h:1"}, UsageError, "address must be such as tcp://host:8786, got 'http"),
        ({"address": "tcp://h:1", "workers": 2}, UsageError, "leave it out with address="),
        ({"address": None, "ca": "ca.pem"}, UsageError, "give its address= too"),
        ({"address": "tls://h:1", "ca": "no.pem"}, UsageError, "must be files, got 'no.pem'"),
        ({"address": "tls://h:1"}, ExecutorError, "for tls:// give ca=, cert= and key="),
        (
            {"address": "tcp://127.0.0.1:9", "timeout": 0.3},
            ExecutorError,
            r"at tcp://127.0.0.1:9 within 0.3 s: .*; start one with: dask scheduler",
        ),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_one_line(
    options: dict[str, Any], error: type[Exception], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(error, match=text) as caught:
        make(**options)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_cluster_with_tls_is_reached_with_files_or_dasks_own_configuration(
    tmp_path: Path,
) -> None:
    import dask

    (block,) = blocks(PAGE.read_text(encoding="utf-8"), "bash")
    ca, cert, key = make_certificates(tmp_path, block.replace("rsa:4096", "rsa:2048"))
    options = ["--tls-ca-file", str(ca), "--tls-cert", str(cert), "--tls-key", str(key)]
    with dask_processes(tmp_path, options) as cluster:
        cluster.start_scheduler()
        assert cluster.address.startswith("tls://")
        worker = cluster.start_worker("--nthreads", "3")
        executor = make(cluster.address, ca=str(ca), cert=str(cert), key=str(key))
        assert (executor.n_workers, executor.threads) == (1, 3)
        # One task at a time, although Dask gives a worker with three threads three of them.
        found = [executor.submit(tasks.interval, 0.02) for _ in range(6)]
        times = sorted(future.result(20)[1:] for future in found)
        assert all(begin >= end for (_, end), (begin, _) in pairwise(times))
        assert {executor.submit(tasks.process).result(20).split()[1]} == {str(worker.pid)}
        executor.close()
        own = {"ca-file": str(ca), "client.cert": str(cert), "client.key": str(key)}
        with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in own.items()}):
            executor = make(cluster.address)
            assert executor.submit(tasks.process).result(20)
            executor.close()
        others = make_certificates(tmp_path / "others", block.replace("rsa:4096", "rsa:2048"))
        with pytest.raises(ExecutorError, match=r"not of the CA: .*VERIFY_FAILED"):
            make(cluster.address, **dict(zip(("ca", "cert", "key"), map(str, others), strict=True)))


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused_with_the_command_that_starts_one(
    cluster: DaskProcesses,
) -> None:
    begun = time.monotonic()
    with pytest.raises(ExecutorError, match=rf"dask worker {cluster.address} --nthreads 1"):
        make(cluster.address, timeout=1.5)
    assert time.monotonic() - begun < 10


@pytest.mark.slow
def test_shared_values_survive_the_death_of_all_workers(
    cluster: DaskProcesses, capfd: pytest.CaptureFixture[str]
) -> None:
    workers = [cluster.start_worker() for _ in range(3)]
    executor = make(cluster.address)
    shared = executor.share(tasks.Large())
    while executor.n_workers < 3:
        time.sleep(0.1)
    for worker in workers[:2]:
        worker.kill()
    futures = [executor.submit(tasks.total, shared, number) for number in range(6)]
    assert [future.result(60)[2] for future in futures] == [TOTAL + number for number in range(6)]
    workers[2].kill()
    workers[2].wait()
    threading.Timer(0.5, cluster.start_worker).start()
    futures = [executor.submit(tasks.total, shared, number) for number in range(6)]
    assert [future.result(60)[2] for future in futures] == [TOTAL + number for number in range(6)]
    del shared  # nothing stands for the value any more, and the workers free it
    held = executor._connection.client.run
    while any(held(lambda dask_worker: len(dask_worker.data)).values()):
        time.sleep(0.1)
    executor.close()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_tasks_for_a_worker_that_died_fail_and_tasks_without_any_worker_end(
    cluster: DaskProcesses,
) -> None:
    worker = cluster.start_worker()
    executor = make(cluster.address, timeout=3.0)
    (future,) = executor.on_each_worker(tasks.interval, 60.0).values()
    time.sleep(0.5)
    worker.kill()
    with pytest.raises(WorkerDiedError, match=r"worker tcp://.* ended before its task"):
        future.result(20)
    with pytest.raises(ExecutorError, match=r"has had no worker for 3 s; start some with: dask worker"):
        executor.submit(tasks.process).result(30)
    executor.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_scheduler_that_dies_or_hangs_ends_tasks_with_one_clear_line(
    cluster: DaskProcesses, how: int, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.start_worker()
    executor = make(cluster.address, timeout=3.0)
    futures = [executor.submit(tasks.interval, 60.0) for _ in range(3)]
    time.sleep(0.5)
    cluster.processes[0].send_signal(how)
    begun = time.monotonic()
    for future in futures:
        with pytest.raises(ExecutorError, match=rf"scheduler at {cluster.address} .*rerun the same"):
            future.result(30)
    with pytest.raises(ExecutorError, match="rerun the same command"):
        executor.submit(tasks.process).result(10)
    executor.close()
    assert time.monotonic() - begun < 20
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_worker_without_stackkit_is_named_before_any_task_begins(
    cluster: DaskProcesses, tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / "stackkit_plugins"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no stackkit here')", encoding="utf-8")
    path = os.pathsep.join([str(broken.parent), *filter(None, sys.path)])
    cluster.start_worker(environ={"PYTHONPATH": path})
    with pytest.raises(
        ExecutorError, match=r"worker tcp://\S+: no stackkit here; .*pip install 'stackkit\[dask\]=="
    ):
        make(cluster.address)


@pytest.mark.slow
def test_what_cannot_be_pickled_or_imported_on_workers_is_an_error_of_one_task(
    cluster: DaskProcesses,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    cluster.start_worker()
    executor = make(cluster.address)
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "onlyhere.py").write_text("class Value: pass\ndef f(): pass\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    import onlyhere

    with pytest.raises(ExecutorError, match="No module named 'onlyhere'; install the same packages"):
        executor.submit(onlyhere.f).result(20)
    with pytest.raises(ExecutorError, match="No module named"):
        executor.share(onlyhere.Value())
    with pytest.raises(ExecutorError, match="lambda> cannot be sent to workers"):
        executor.submit(lambda: 1)
    with pytest.raises(ExecutorError, match="the result of allocate_lock cannot be sent back"):
        executor.submit(threading.Lock).result(20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Dask warns of arguments above 10 MB
        assert executor.submit(len, bytes(12_000_000)).result(20) == 12_000_000
    executor.close()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_workers_on_this_machine_go_on_after_ctrl_c_and_end_with_a_driver_that_is_killed(
    tmp_path: Path,
) -> None:
    with driver(tmp_path, "close", "dask") as process:
        workers = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=60) == ("interrupted None\n", "")
    assert process.returncode == 0
    assert all(map(has_ended, workers))
    with driver(tmp_path, "close", "dask") as process:
        workers = workers_of(process)
    assert all(map(has_ended, workers))
