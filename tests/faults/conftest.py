"""Photographs, what one process computes of them, and a cluster, which tests of faults share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.cluster_runs import Runs, ended, rows_of, table
from support.dask_processes import DaskProcesses, dask_processes

NO_REPEATS = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


@pytest.fixture(scope="session")
def small_photographs(cub_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 real photographs of 20 species, made small so that they cost little."""
    root = tmp_path_factory.mktemp("photographs")
    for species in sorted((cub_root / "images").iterdir()):
        (root / species.name).mkdir()
        for photograph in sorted(species.iterdir())[:12]:
            with Image.open(photograph) as image:
                image.thumbnail((48, 48))
                image.convert("RGB").save(root / species.name / photograph.name)
    return root


@pytest.fixture(scope="session")
def expected(small_photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    """What one process computes."""
    folder = tmp_path_factory.mktemp("expected")
    with ended(Runs.in_folder(folder, small_photographs).start("local", folder / "store")) as process:
        assert rows_of(process) == (240, 0)
    return table(folder / "store")[0]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    with dask_processes(tmp_path_factory.mktemp("cluster")) as processes:
        processes.start_scheduler(NO_REPEATS)
        for _ in range(3):
            processes.start_worker()
        yield processes


@pytest.fixture
def runs(small_photographs: Path, tmp_path: Path) -> Runs:
    return Runs.in_folder(tmp_path / "runs", small_photographs)
