import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.bundles import WEIGHTS, manifest, states, write
from support.machines import read_only, small_disk

from stackkit.api.errors import BundleError
from stackkit.api.state import State
from stackkit.bundle import check_target, open_bundle


def refusal(path: Path, **changes: Any) -> str:
    with pytest.raises(BundleError) as caught:
        write(path, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path, expected in (
        (tmp_path / "missing" / "model", "does not exist; create it"),
        (tmp_path / "folder", "is not a regular file"),
        (tmp_path / "file", "exists; choose another name, or pass --overwrite"),
        (tmp_path / "file" / "model", "does not exist"),
    ):
        with pytest.raises(BundleError, match=expected):
            check_target(path)
    check_target(tmp_path / "file", overwrite=True)
    check_target(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_read_only_folder_is_refused_before_any_work(tmp_path: Path):
    with read_only(tmp_path), pytest.raises(BundleError, match="is not writable; choose another one"):
        check_target(tmp_path / "model")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    """The limit on the size of files gives the same error as a full disk."""
    path = write(tmp_path / "model")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        text = refusal(path, files={"weights/tiny.h5": b"x" * 20_000}, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "free some space" in text
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_a_disk_of_its_own_that_is_full_leaves_nothing(tmp_path: Path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        assert "free some space" in refusal(disk / "m", files={"weights/tiny.h5": b"x" * 100_000})
        assert list(disk.iterdir()) == []


KILLED = """
import sys
from pathlib import Path
from support.bundles import write
write(Path(sys.argv[1]), files={"weights/tiny.h5": Path(sys.argv[2])}, overwrite=True)
"""


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path):
    path = write(tmp_path / "model")
    before = path.read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # the writer waits for more of it in the middle of its work
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen([sys.executable, "-c", KILLED, path, pipe], env=environment)
    with pipe.open("wb") as sender:
        sender.write(b"x" * 2_000_000)
        sender.flush()
        end = time.monotonic() + 30
        while not any(each.stat().st_size > 1_000_000 for each in tmp_path.glob(".model.*")):
            assert time.monotonic() < end
            time.sleep(0.01)
        writer.kill()
        writer.wait()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"states": {"../x": State()}}, "cannot be the name of a member"),
        ({"files": {"weights/tiny.h5": WEIGHTS, "model.pkl": b"x"}}, "has no place in a bundle"),
        ({"files": {"manifest.json": b"x"}}, "is the name of a member that stackkit writes"),
        ({"files": {}}, "refers to weights/tiny.h5, which is missing"),
        ({"files": {"weights/tiny.h5": b"other"}}, "not the file that the manifest describes"),
        ({"files": {"weights/tiny.h5": Path("/nonexistent")}}, "/nonexistent: No such file"),
        ({"manifest": manifest(licence="\udcff")}, "licence: .* not valid Unicode"),
        ({"manifest": manifest(novelty={"q": float("nan")})}, "novelty: q: a number is nan"),
        ({"manifest": manifest(novelty={"q": np.float64(1)})}, "a value is of type float64"),
        ({"manifest": manifest(novelty={1: 2})}, "the key 1 is of type int, not str"),
        ({"values": {"f": print}}, "state of aggregator cannot be saved: values: f: a value is of type"),
        ({"arrays": {"a": np.array(["x"])}}, "the array 'a' is of dtype <U1"),
        ({"arrays": {"a": np.array([object()])}}, "is of dtype object"),
        ({"arrays": {"a": np.array([1j])}}, "is of dtype complex128"),
        ({"arrays": {"a": [1.0]}}, "is of list"),
        ({"arrays": {"a/b": np.zeros(1)}}, "cannot be the name of an array"),
    ],
)
def test_what_cannot_be_saved_is_named(changes: dict[str, Any], expected: str, tmp_path: Path):
    if changes.keys() & {"values", "arrays"}:
        changes = {"states": states() | {"aggregator": State(**changes)}}
    assert re.search(expected, refusal(tmp_path / "model", **changes))
    assert list(tmp_path.iterdir()) == []


def test_arrays_of_any_memory_layout_keep_their_values(tmp_path: Path):
    arrays = {
        "strided": np.arange(20.0)[::2],
        "turned": np.arange(6, dtype=np.uint8).reshape(2, 3).T,
        "empty": np.zeros((0,), np.int16),
        "half": np.array([1.5, np.nan], np.float16),
    }
    saved = {"learner-0": State(), "aggregator": State(arrays=arrays)}
    path = write(tmp_path / "model", states=saved, files={"weights/tiny.h5": WEIGHTS})
    with open_bundle(path) as bundle:
        found = bundle.state("aggregator").arrays
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array, equal_nan=name == "half")


def test_a_bundle_that_would_be_too_large_to_open_is_not_written(tmp_path: Path, monkeypatch):
    size = write(tmp_path / "a").stat().st_size
    monkeypatch.setattr("stackkit.bundle.archive.MAX_BYTES", size - 1)
    with pytest.raises(BundleError, match="its directory does not fit in it"):
        write(tmp_path / "b")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
