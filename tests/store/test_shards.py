"""Shards: ranges of rows in files of their own, and the index that joins them without a copy."""

import os
import signal
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_store import COUNT, KEY, WIDTH, features_of, rows_of

from stackkit.api.errors import StoreError, UsageError
from stackkit.evaluation.features import Features
from stackkit.store import FeatureStore
from stackkit.store.catalogue import entries, row_states, to_remove
from stackkit.store.export import export
from stackkit.store.locks import locked_temporary
from stackkit.store.metadata import read_contents
from stackkit.store.shards import Shard, parse_shard

WHOLE = rows_of(range(COUNT))
WRITERS = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_store import KEY, FeatureStore, features_of, rows_of
from stackkit.store.shards import Shard
rows = rows_of(range(4000))

def write(part):
    shard = Shard(part=part, of=4, listing=rows.listing)
    first = shard.range(4000).start
    with FeatureStore(Path(sys.argv[1])).open(KEY, rows.part(shard), {"by": "a test"}) as file:
        todo = file.pending()
        for start in range(0, len(todo), 25):
            block = todo[start : start + 25]
            file.write(block, features_of([first + row for row in block]))
            if (part, start) == (2, 250):
                os.kill(os.getpid(), signal.SIGKILL)

for part in (1, 2, 3, 4):
    if not os.fork():  # each loads nothing, which would take longer than to write
        write(part)
        os._exit(0)
print(*(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(4)))
"""


def shard_of(part, of=4, rows=WHOLE):
    return rows.part(Shard(part=part, of=of, listing=rows.listing))


def write_shard(store, part, of=4, upto=None):
    numbers = Shard(part=part, of=of, listing="").range(COUNT)
    with store.open(KEY, shard_of(part, of), {"by": f"writer {part}"}) as file:
        block = list(range(len(numbers)))[:upto]
        file.write(block, features_of([numbers[row] for row in block]))
    return file.path


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


@pytest.fixture
def shards(store) -> list[Path]:
    return [write_shard(store, part) for part in (3, 1, 4, 2)]


def opened(store, **options):
    return store.open(KEY, WHOLE, {}, **options)


def test_all_shards_are_one_matrix_with_the_digest_of_a_plain_file(store, shards, tmp_path):
    plain = FeatureStore(tmp_path / "plain")
    with plain.open(KEY, WHOLE, {}) as file:
        file.write(range(COUNT), features_of(range(COUNT)))
    with opened(store, create=False) as file, plain.open(KEY, WHOLE, {}) as other:
        matrix, expected = file.view(), other.view()
        assert file.path.name == other.path.name
    assert all(isinstance(part.base, np.memmap) for part in matrix.parts), "nothing is copied"
    one, two = (Features.from_matrix("", each) for each in (matrix, expected))
    assert one.digest == two.digest
    rows = np.array([19, 0, 7, 7, 12])
    assert np.array_equal(one.take(rows), two.take(rows))
    assert one.first_nonfinite() is None
    assert not one.is_constant()
    for key in (3, -1, slice(2, 18, 3), np.array([5, -1])):
        assert np.array_equal(matrix[key], expected[key])
    assert np.array_equal(np.asarray(matrix), expected)


def test_h5py_reads_the_index_as_one_file_wherever_its_folder_is(store, shards, tmp_path):
    folder = shards[0].parent.rename(tmp_path / "moved")
    with h5py.File(folder / WHOLE.file_name, "r") as file:
        assert np.array_equal(file["features"][:], features_of(range(COUNT)))
        assert file["sample_ids"].asstr()[:].tolist() == [f"{k}.jpg" for k in range(COUNT)]
        assert file["labels"][:].tolist() == [k % 2 for k in range(COUNT)]
        for text, row, found in zip(
            file["fingerprints"], file["features"], file["checksums"], strict=True
        ):
            assert found == (zlib.crc32(text + row.tobytes()) or 1)
    assert (folder / WHOLE.file_name).stat().st_size < 20_000


def test_a_plain_file_has_no_trace_of_shards(store):
    with opened(store) as file:
        path = file.path
    with h5py.File(path, "r") as file:
        assert not {"shard", "shards", "listing"} & set(file.attrs)


def test_rows_that_are_missing_in_shards_are_pending_and_written_there(store):
    paths = [write_shard(store, part) for part in (1, 3)]
    write_shard(store, 2, upto=3)
    assert store.pending(KEY, WHOLE) == [8, 9, *range(15, COUNT)]
    with pytest.raises(StoreError, match=r"shard 4/4 .*is missing.*extract --shard 4/4"):
        opened(store, create=False)
    with store.open(KEY, WHOLE, {"by": "a run"}) as file:
        todo = file.pending()
        assert file.shards_with(todo) == "shards 2/4, 4/4"
        file.write(todo, features_of(todo))
        assert len(read_contents(file.path).shards) == 4
    assert len(list(paths[0].parent.glob("*.h5"))) == 5, "four shards and their index; no other copy"
    with opened(store, create=False) as file:
        assert file.pending() == []
        assert np.array_equal(file.read(), features_of(range(COUNT)))


@pytest.mark.parametrize("damage", ["missing", "cut", "row"])
def test_a_shard_that_is_damaged_is_named_and_made_again(store, shards, damage):
    path = shards[0]  # 3/4
    data = path.read_bytes()
    row = read_contents(path).layout.features
    if damage == "missing":
        path.unlink()
    else:
        changed = data[:-10] if damage == "cut" else data[:row] + b"\xff" + data[row + 1 :]
        path.write_bytes(changed)
    if damage == "row":
        with opened(store, create=False) as file:
            assert file.shards_with(file.pending()) == "shard 3/4"
    else:
        with pytest.raises(StoreError, match="shard 3/4"):
            opened(store, create=False)
        assert any("shard 3/4" in (each.problem or "") for each in entries(store.folder))
    with store.open(KEY, shard_of(3), {}) as file:
        left = {"missing": [0, 1, 2, 3, 4], "cut": [], "row": [0]}  # rows of a cut file are rescued
        assert file.pending() == left[damage]
        file.write(range(5), features_of(range(10, 15)))
    assert store.pending(KEY, WHOLE) == []


def test_shards_are_one_entry_and_are_removed_together(store, shards, tmp_path):
    (entry,) = entries(store.folder)
    assert (entry.state, entry.stored, entry.images, len(entry.shards)) == ("complete", 20, 20, 4)
    assert list(row_states(entry.contents).intact) == list(range(COUNT))
    assert export(entry.path, entry.contents, "npy", tmp_path / "out") == COUNT
    assert np.array_equal(np.load(tmp_path / "out/features.npy"), features_of(range(COUNT)))
    removed = to_remove([entry], entry.used + 9, older_than_s=1, keep_bytes=None)
    assert {one.path for one in removed} == {entry.path, *shards}
    assert sum(one.size for one in removed) == entry.size


def test_another_text_of_the_dataset_finds_the_same_shards(store, shards):
    other = rows_of(range(COUNT), dataset="eagles")
    assert store.pending(KEY, shard_of(2, rows=other)) == []
    assert store.pending(KEY, other) == []


def test_rows_of_shards_are_copied_when_the_dataset_grows(store, shards):
    assert store.pending(KEY, rows_of(range(COUNT + 2))) == [20, 21]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/1", "1/257", "1", "a/b", "-1/2", ""])
def test_a_shard_that_does_not_exist_is_refused(text):
    with pytest.raises(UsageError, match="--shard must be I/N"):
        parse_shard(text)


def test_float16_rows_of_shards_are_converted_when_they_are_read(tmp_path):
    store = FeatureStore(tmp_path, "float16")
    for part in range(1, 5):
        write_shard(store, part)
    with opened(store, create=False) as file:
        matrix = file.view()
        assert matrix[3:5].dtype == np.float32
        assert np.array_equal(matrix[:], file.read())


def test_a_file_that_another_process_removes_before_it_is_locked_is_created_again(tmp_path):
    begun = []

    def lock_too_late(file):
        begun.append(Path(file.name))
        if len(begun) == 1:  # another writer has just removed what it took for a leftover
            begun[0].unlink()
        if len(begun) == 2:  # and is about to remove this one
            raise BlockingIOError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stackkit.store.locks.lock", lock_too_late)
        with locked_temporary(tmp_path / "a.h5") as (temporary, file):
            assert begun[2:] == [temporary]
            assert os.path.samestat(temporary.stat(), os.fstat(file.fileno()))
        assert not temporary.exists()


def test_four_processes_write_at_once_and_a_killed_one_loses_nothing_of_the_others(tmp_path):
    command = [sys.executable, "-c", WRITERS, tmp_path, *Path(__file__).parents[:2]]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
    assert sorted(map(int, ended.split())) == [-signal.SIGKILL, 0, 0, 0]
    rows, store = rows_of(range(4000)), FeatureStore(tmp_path)
    pending = store.pending(KEY, rows)
    assert pending == list(range(1275, 2000))
    with store.open(KEY, rows, {"by": "a test"}) as file:
        file.write(pending, features_of(pending))
    with store.open(KEY, rows, {}, create=False) as file:
        assert file.pending() == []
        assert np.array_equal(file.read(), features_of(range(4000)))
        assert file.read().shape == (4000, WIDTH)


def test_shards_of_another_count_give_their_rows(store):
    for part in (1, 2):
        write_shard(store, part, of=2)
    assert [store.pending(KEY, shard_of(part)) for part in (1, 2, 3, 4)] == [[], [], [], []]


def test_of_several_counts_the_one_that_is_complete_is_read(store):
    for part, of in [(1, 2), (2, 2), (1, 4), (2, 4), (3, 4)]:
        write_shard(store, part, of)
    with opened(store, create=False) as file:
        assert [each.shard.of for each in file.contents.shards] == [2, 2]


def test_rows_of_shards_are_not_computed_again_for_a_plain_file_that_was_begun_before(store):
    with opened(store) as file:
        file.write([0, 1], features_of([0, 1]))
    with store.open(KEY, shard_of(1), {}) as file:
        assert file.pending() == [2, 3, 4]
    assert len(entries(store.folder)) == 2
    for part in (1, 2, 3, 4):
        write_shard(store, part)
    assert store.pending(KEY, WHOLE) == []
    assert [(each.state, len(each.shards)) for each in entries(store.folder)] == [("complete", 4)]


def test_a_complete_plain_file_is_kept_beside_shards(store):
    with opened(store) as file:
        file.write(range(COUNT), features_of(range(COUNT)))
    for part in (1, 2, 3, 4):
        write_shard(store, part)
    with opened(store, create=False) as file:
        assert not file.contents.shards


def test_a_plain_file_that_supersedes_shards_leaves_no_index_of_what_is_gone(store, shards):
    assert len(entries(store.folder)) == 1
    with store.open(KEY, rows_of(range(COUNT + 2)), {}):
        (left,) = entries(store.folder)
    assert (left.state, left.stored, left.shards) == ("partial", COUNT, ())


def test_removing_an_old_index_keeps_the_shards_that_another_one_joins(store, shards):
    changed = replace(WHOLE, fingerprints=["new", *WHOLE.fingerprints[1:]])
    with store.open(KEY, changed, {}):
        pass
    found = entries(store.folder)
    old = next(each for each in found if shards[1] in each.shards)  # with the old shard 1/4
    os.utime(old.path, (0, 0))
    chosen = [replace(each, used=0.0) if each is old else each for each in found]
    removed = {one.path for one in to_remove(chosen, 10.0, older_than_s=5, keep_bytes=None)}
    assert removed == {old.path, shards[1]}


def test_the_index_of_many_shards_is_written_once_when_all_are_opened(store, shards, monkeypatch):
    calls = []
    monkeypatch.setattr("stackkit.store.store.write_index", calls.append)
    monkeypatch.setattr("stackkit.store.index.write_index", calls.append)
    with opened(store):
        assert len(calls) == 1
