"""Workers that do not fit, images that end workers, Ctrl-C and full disks, on real processes."""

import os
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.cluster_runs import (
    Runs,
    committed_images,
    ended,
    error_line,
    name_of,
    outcome,
    require_same,
    rows_of,
    table,
    wait_for,
)
from support.dask_processes import DaskProcesses

pytest.importorskip("distributed", reason="distributed, of the extra dask, is not installed")

CALL_S = 0.1


@pytest.mark.slow
def test_a_worker_that_joins_with_other_code_ends_the_run_and_computes_nothing(
    cluster: DaskProcesses, runs: Runs, tmp_path: Path, expected: NDArray[np.float32]
) -> None:
    other = tmp_path / "other"
    root = Path(__file__).parents[2]
    for package in ("core/stackkit", "plugins/stackkit_plugins"):
        shutil.copytree(root / package, other / Path(package).name)
    with (other / "stackkit" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write('\n__version__ = "0.0.9"\n')
    store, address = tmp_path / "store", f"dask:address={cluster.address}"
    with ended(runs.start(address, store, seconds=CALL_S)) as process:
        wait_for(lambda: committed_images(store))
        stray = cluster.start_worker(environ={"PYTHONPATH": str(other)})
        code, _, err = outcome(process)
    stray.kill()
    stray.wait()
    assert stray.pid not in {call.pid for call in runs.calls()}
    assert committed_images(store) <= {name_of(row) for row in expected}
    if code:  # it may also have ended before the worker had started
        assert code == 12
        assert "0.0.9" in error_line(err)
    with ended(runs.start(address, store)) as process:
        rows_of(process)
    require_same(store, expected)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["dask", "processes"])
def test_an_image_that_ends_its_worker_is_listed_and_all_others_are_stored(
    small_photographs: Path, tmp_path: Path, expected: NDArray[np.float32], executor: str
) -> None:
    root = tmp_path / "photographs"
    shutil.copytree(small_photographs, root)
    bad = sorted(root.rglob("*.jpg"))[100]
    Image.new("RGB", (20, 20), (255, 0, 0)).save(bad, quality=100)
    runs, store = Runs.in_folder(tmp_path / "runs", root), tmp_path / "store"
    with ended(runs.start(f"{executor}:workers=2", store)) as process:
        code, out, err = outcome(process)
    assert code == 0, err
    assert "ended the worker that computed it" in out
    assert bad.name in out
    require_same(store, expected, missing={100})


@pytest.mark.slow
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_keeps_what_is_committed_and_the_workers_serve_the_next_command(
    cluster: DaskProcesses,
    runs: Runs,
    tmp_path: Path,
    expected: NDArray[np.float32],
    presses: int,
) -> None:
    store, address = tmp_path / "store", f"dask:address={cluster.address}"
    with ended(runs.start(address, store, seconds=CALL_S)) as process:
        wait_for(lambda: committed_images(store))
        for _ in range(presses):
            os.killpg(process.pid, signal.SIGINT)
        code, _, err = outcome(process)
    assert code == 130, err
    assert "Traceback" not in err
    kept = len(committed_images(store))
    with ended(runs.start(address, store)) as process:
        assert rows_of(process) == (240 - kept, kept)
    require_same(store, expected)


@pytest.mark.slow
def test_a_full_disk_ends_the_command_with_one_line_and_what_is_stored_is_kept(
    cluster: DaskProcesses, runs: Runs, tmp_path: Path, expected: NDArray[np.float32]
) -> None:
    store, address = tmp_path / "store", f"dask:address={cluster.address}"
    with ended(runs.start(address, store, seconds=CALL_S)) as process:
        wait_for(lambda: committed_images(store))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        code, _, err = outcome(process)
    assert code != 0
    assert str(store) in error_line(err)
    kept = len(committed_images(store))
    with ended(runs.start(address, store)) as process:
        assert rows_of(process) == (240 - kept, kept)
    assert table(store)[1].all()
    require_same(store, expected)
