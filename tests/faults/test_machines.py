"""Full disks, folders that may not be written, disks without locks: each has its defined outcome."""

import contextlib
import errno
import os
import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.machines import FLOCK, read_only, small_disk
from support.stored_features import COUNT, FEATURES, KEY, ROWS, fill

from stackkit.api.errors import StoreError
from stackkit.store import FeatureFile, FeatureStore

LOCKLESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.machines import lose_locks
from support.stored_features import COUNT, FEATURES, KEY, ROWS
from stackkit.api.errors import StoreError
from stackkit.store import FeatureStore

lose_locks(int(sys.argv[3]))
store = FeatureStore(Path(sys.argv[1]))
with store.open(KEY, ROWS, {}) as file:
    print("open", flush=True)
    sys.stdin.readline()
    try:
        for row in range(COUNT):
            file.write([row], FEATURES[[row]])
        print("end", flush=True)
    except StoreError as error:
        print(error, flush=True)
"""

LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.stored_features import KEY, ROWS
from stackkit.api.errors import StoreError
from stackkit.store import FeatureStore

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    FeatureStore(Path(sys.argv[1])).open(KEY, ROWS, {})
except StoreError as error:
    print(error)
"""


def python(code: str, folder: Path, *arguments: object) -> subprocess.Popen[str]:
    words = [
        sys.executable,
        "-c",
        code,
        str(folder),
        str(Path(__file__).parents[1]),
        *map(str, arguments),
    ]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def opened(folder: Path) -> FeatureFile:
    return FeatureStore(folder).open(KEY, ROWS, {})


def fill_up(filler: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


class TestFullDisk:
    def test_it_is_reported_before_any_work_and_stored_rows_stay(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk", "2m") as disk:
            path = fill(disk / "features")
            big, store = replace(KEY, feature_dim=100_000), FeatureStore(disk / "features")
            with pytest.raises(StoreError, match=r"features/.*the disk is full"):
                store.open(big, ROWS, {})
            assert [found for found in (disk / "features").rglob("*") if found.is_file()] == [path]
            with store.open(KEY, ROWS, {}) as file:
                assert np.array_equal(file.read(), FEATURES)

    def test_rows_have_their_space_from_the_start(self, tmp_path: Path) -> None:
        """What fills the disk up later cannot keep a row from being written."""
        with small_disk(tmp_path / "disk", "2m") as disk, opened(disk / "features") as file:
            fill_up(disk / "filler")
            file.write(range(COUNT), FEATURES)
            assert np.array_equal(file.read(), FEATURES)

    def test_a_limit_on_the_size_of_files_is_reported_too(self, tmp_path: Path) -> None:
        out, _ = python(LIMITED, tmp_path / "features").communicate(timeout=60)
        assert "the disk is full" in out
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class TestReadOnlyFolder:
    def test_reading_works_and_writing_is_refused_in_one_line(self, tmp_path: Path) -> None:
        path = fill(tmp_path / "features")
        store = FeatureStore(tmp_path / "features")
        more = replace(ROWS, dataset="more")
        with read_only(tmp_path / "features"):
            with store.open(KEY, ROWS, {}, create=False) as file:
                assert np.array_equal(file.read(), FEATURES)
            assert store.pending(KEY, more) == []
            for rows in (ROWS, more):
                with pytest.raises(StoreError, match=r"cannot be written .*--store"):
                    store.open(KEY, rows, {})
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in FLOCK, reason="filters Linux system calls"
)
@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
class TestDisksWithoutLocks:
    def test_a_writer_works(self, tmp_path: Path, error: int) -> None:
        out, _ = python(LOCKLESS, tmp_path / "features", error).communicate("go\n", timeout=60)
        assert out.splitlines() == ["open", "end"]
        with FeatureStore(tmp_path / "features").open(KEY, ROWS, {}) as file:
            assert np.array_equal(file.read(), FEATURES)

    def test_two_writers_of_one_file_write_correct_rows(self, tmp_path: Path, error: int) -> None:
        writers = [python(LOCKLESS, tmp_path / "features", error)]
        assert writers[0].stdout
        assert writers[0].stdout.readline() == "open\n"
        writers.append(python(LOCKLESS, tmp_path / "features", error))
        outs = [writer.communicate("go\n", timeout=60)[0] for writer in reversed(writers)]
        assert outs == ["open\nend\n", "end\n"]
        with FeatureStore(tmp_path / "features").open(KEY, ROWS, {}, create=False) as file:
            assert file.pending() == []
            assert np.array_equal(file.read(), FEATURES)

    def test_a_writer_stops_if_its_file_is_replaced(self, tmp_path: Path, error: int) -> None:
        writer = python(LOCKLESS, tmp_path / "features", error)
        assert writer.stdout
        assert writer.stdout.readline() == "open\n"
        (path,) = (tmp_path / "features").glob("*/*.h5")
        path.with_name("copy").write_bytes(path.read_bytes())
        path.with_name("copy").replace(path)
        out, _ = writer.communicate("go\n", timeout=60)
        assert "was replaced by another stackkit process" in out

    def test_a_file_being_created_elsewhere_is_not_removed(self, tmp_path: Path, error: int) -> None:
        path = fill(tmp_path / "features")
        young, old = path.with_name(f".{path.name}.young"), path.with_name(f".{path.name}.old")
        for aside in (young, old):
            aside.write_bytes(b"half")
        then = time.time() - 2 * 86_400
        os.utime(old, (then, then))
        path.unlink()
        python(LOCKLESS, tmp_path / "features", error).communicate("go\n", timeout=60)
        assert young.exists()
        assert not old.exists()
