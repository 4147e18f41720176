"""Processes of the executor `processes`: Ctrl-C, a driver that is killed, and what is left behind."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO

import pytest
from support.driving import driver, has_ended, workers_of

from stackkit.api import ExecutorError, WorkerDiedError
from stackkit.testing import worker_tasks as tasks
from stackkit_plugins.processes import shared_files
from stackkit_plugins.processes.executor import ProcessesExecutor
from stackkit_plugins.processes.shared_files import SharedFolder

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@posix
@pytest.mark.parametrize("how", ["close", pytest.param("leave", marks=pytest.mark.slow)])
def test_ctrl_c_leaves_workers_at_their_tasks_and_nothing_is_left_behind(
    tmp_path: Path, how: str
) -> None:
    with driver(tmp_path, how) as process:
        workers = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=30)
    assert (out, err) == ("interrupted None\n", "")
    assert process.returncode == 0
    assert all(map(has_ended, workers))
    assert how == "leave" or list(tmp_path.iterdir()) == []


@posix
def test_workers_end_with_a_driver_that_is_killed_and_the_next_one_removes_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with driver(tmp_path, "close") as process:
        workers = workers_of(process)
        (left,) = tmp_path.iterdir()
        SharedFolder().close()
        assert left.exists()  # it is in use
        process.kill()
        process.wait()
        assert all(map(has_ended, workers))
    assert left.exists()
    folder = SharedFolder()
    assert list(tmp_path.iterdir()) == [folder.path]
    folder.close()
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_starts_at_the_same_moment_leaves_the_folder_of_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lock = shared_files._try_lock

    def late(file: IO[bytes]) -> bool:
        monkeypatch.setattr(shared_files, "_try_lock", lock)
        SharedFolder().close()  # as another process may do before the file is locked
        return lock(file)

    monkeypatch.setattr(shared_files, "_try_lock", late)
    folder = SharedFolder()
    assert Path(folder.write(3)).exists()
    folder.close()


def test_a_value_is_mapped_into_the_memory_of_workers_and_errors_say_how_they_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    executor = ProcessesExecutor(workers=1)
    shared = executor.share(np.arange(1000))
    assert executor.submit(type, shared).result(30) is np.memmap
    file = Path(shared.key)
    assert file.exists()
    del shared  # nothing stands for the value any more
    assert not file.exists()
    assert executor.submit(np.sum, executor.share(np.arange(5))).result(30) == 10
    with pytest.raises(ExecutorError, match="the result of allocate_lock cannot be sent back"):
        executor.submit(threading.Lock).result(30)
    with pytest.raises(ExecutorError, match="lambda> cannot be sent to workers"):
        executor.submit(lambda: 1)
    with pytest.raises(ExecutorError, match=r"PicklingError.*set TMPDIR"):
        executor.share(lambda: 1)
    with pytest.raises(WorkerDiedError, match=r"before its task \(exit code 1\)"):
        executor.submit(tasks.end_process).result(30)
    if hasattr(signal, "raise_signal"):
        future = executor.submit(signal.raise_signal, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match=r"\(killed by signal 9 \(SIGKILL\)\)"):
            future.result(30)
    executor.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cores", "workers", "expected"), [(6, None, (6, 1)), (6, 2, (2, 3)), (6, 4, (4, 1)), (1, 3, (3, 1))]
)
def test_workers_share_the_cores(
    cores: int,
    workers: int | None,
    expected: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("loky.cpu_count", lambda: cores)
    executor = ProcessesExecutor(workers=workers)
    assert (executor.n_workers, executor.threads) == expected
    executor.close()
