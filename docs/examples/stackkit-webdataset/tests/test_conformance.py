"""Run all checks of stackkit on three small shards with an official split."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from stackkit.testing import conformance

from writing import pair, shard

FOLDER = Path(tempfile.mkdtemp(prefix="stackkit-webdataset-"))


@pytest.fixture(scope="module", autouse=True)
def _shards() -> Iterator[None]:
    """Make the shards of the cases, which pytest collects before it runs any fixture."""
    for part, numbers in {"train": range(8), "val": range(8, 10), "test": range(10, 14)}.items():
        members = [each for number in numbers for each in pair(number, ("cat", "dog")[number % 2])]
        shard(FOLDER / part / "shard-000000.tar", members)
    yield
    shutil.rmtree(FOLDER)


test_conformance = conformance("stackkit_webdataset", options={"webdataset": {"root": str(FOLDER)}})
