"""The feature store on real HDF5 files: committed rows are read back, damaged rows never are."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.format1 import write_format_1

from stackkit.api.dataset import Sample
from stackkit.api.errors import StoreError
from stackkit.store import BackboneKey, DatasetRows, FeatureStore
from stackkit.store.errors import DamagedFileError
from stackkit.store.integrity import USER_BLOCK_BYTES, read_seal
from stackkit.store.metadata import read_contents
from stackkit.store.reuse import SALVAGED

COUNT, WIDTH = 20, 5
KEY = BackboneKey(name="p/net", revision="r1", image_size=8, feature_dim=WIDTH, trained=True)

WRITER = """
import sys, numpy as np
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_store import KEY, FeatureStore, features_of, rows_of
rows = rows_of(range(2000))
with FeatureStore(Path(sys.argv[1])).open(KEY, rows, {}) as file:
    print("open", flush=True)
    todo = file.pending()
    for start in range(0, len(todo), 7):
        block = todo[start : start + 7]
        file.write(block, features_of(block))
        print(*block, flush=True)
    print("end", flush=True)
    sys.stdin.read()
"""


def rows_of(numbers, dataset="birds", **changed) -> DatasetRows:
    """Rows of the images `numbers`; image k is named k and its content is k."""
    samples = [Sample(id=f"{k}.jpg", label=k % 2) for k in numbers]
    rows = DatasetRows(
        dataset=dataset, classes=("a", "b"), samples=samples, fingerprints=[f"{k:032x}" for k in numbers]
    )
    return replace(rows, **changed)


def features_of(numbers) -> np.ndarray:
    """(len(numbers), WIDTH) features, which depend on the number alone."""
    columns = np.arange(1, WIDTH + 1, dtype=np.float32)
    return np.sqrt(np.array(numbers, dtype=np.float32)[:, None] + columns).astype(np.float32)


def writer(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(folder), *map(str, Path(__file__).parents[:2])]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


@pytest.fixture
def full(store) -> Path:
    """The file of a finished extraction."""
    with store.open(KEY, rows_of(range(COUNT)), {}) as file:
        file.write(range(COUNT), features_of(range(COUNT)))
    return file.path


def pending(store, rows, key=KEY) -> list[int]:
    with store.open(key, rows, {}) as file:
        return file.pending()


class TestRows:
    def test_written_rows_are_read_back_and_none_is_pending(self, store, full):
        with store.open(KEY, rows_of(range(COUNT)), {}) as file:
            assert file.pending() == []
            assert np.array_equal(file.read(), features_of(range(COUNT)))

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.sets(st.integers(0, COUNT - 1)), max_size=5))
    def test_any_sequence_of_writes_reads_as_an_array_would(self, tmp_path_factory, writes):
        store = FeatureStore(tmp_path_factory.mktemp("features"))
        expected = np.zeros((COUNT, WIDTH), dtype=np.float32)
        for written in map(sorted, writes):
            with store.open(KEY, rows_of(range(COUNT)), {}) as file:
                file.write(written, features_of(written))
            expected[written] = features_of(written)
        with store.open(KEY, rows_of(range(COUNT)), {}) as file:
            assert np.array_equal(file.read(), expected)
            assert file.pending() == [i for i in range(COUNT) if not expected[i].any()]

    def test_an_image_without_fingerprint_has_no_row_and_is_not_pending(self, store):
        assert pending(store, rows_of(range(3), fingerprints=["a", "", "c"])) == [0, 2]

    def test_a_new_file_has_its_full_size(self, store):
        rows = rows_of(range(3000))
        with store.open(KEY, rows, {}) as file:
            assert file.path.stat().st_size > 3000 * (4 * WIDTH + 4)


class TestReuse:
    @pytest.mark.parametrize(
        ("numbers", "missing"),
        [
            ([*range(10), 99, *range(10, COUNT)], [10]),
            ([k for k in range(COUNT) if k != 7], []),
            (list(reversed(range(COUNT))), []),
            ([*range(5), 99, *range(6, COUNT)], [5]),
        ],
        ids=["added", "removed", "reordered", "replaced"],
    )
    def test_a_changed_image_costs_only_its_own_row(self, store, full, numbers, missing):
        with store.open(KEY, rows_of(numbers), {}) as file:
            assert file.pending() == missing
            kept = file.intact()
            assert np.array_equal(file.read()[kept], features_of(numbers)[kept])

    def test_names_classes_labels_and_splits_cost_nothing(self, store, full):
        renamed = [Sample(id=f"new{k}", label=0, split="test") for k in range(COUNT)]
        assert pending(store, rows_of(range(COUNT), classes=("a", "b", "c"), samples=renamed)) == []

    def test_another_dataset_of_the_same_images_costs_nothing(self, store, full):
        assert pending(store, rows_of(range(0, COUNT, 2), dataset="birds:limit=10")) == []

    @pytest.mark.parametrize("changed", [{"revision": "r2"}, {"image_size": 9}, {"feature_dim": 6}])
    def test_another_setting_never_meets_old_features(self, store, full, changed):
        other = replace(KEY, **changed)
        assert len(pending(store, rows_of(range(COUNT)), other)) == COUNT

    def test_a_file_put_into_another_settings_folder_is_not_read(self, store, full):
        other = replace(KEY, revision="r2")
        moved = store.path(other, rows_of(range(COUNT)))
        moved.parent.mkdir()
        shutil.copy(full, moved)
        assert len(pending(store, rows_of(range(COUNT)), other)) == COUNT

    def test_two_datasets_with_the_same_text_keep_their_rows(self, store, full):
        """Such as image-folder:root=photos in two projects."""
        elsewhere = range(100, 110)
        with store.open(KEY, rows_of(elsewhere), {}) as file:
            file.write(range(10), features_of(elsewhere))
        assert pending(store, rows_of(range(COUNT))) == []
        assert pending(store, rows_of(elsewhere)) == []

    @pytest.mark.parametrize("absent", ["removed", "unreadable"])
    def test_an_image_that_was_missing_for_one_run_keeps_its_row(self, store, full, absent):
        rest = [k for k in range(COUNT) if k != 7]
        without = rows_of(rest)
        if absent == "unreadable":
            prints = rows_of(range(COUNT)).fingerprints
            without = rows_of(range(COUNT), fingerprints=[*prints[:7], "", *prints[8:]])
        assert pending(store, without) == []
        assert pending(store, rows_of(range(COUNT))) == []

    def test_a_file_is_removed_if_a_newer_one_has_all_its_rows(self, store, full):
        assert pending(store, rows_of(range(COUNT + 1))) == [COUNT]
        assert not full.exists()

    def test_another_datasets_file_stays_even_if_all_its_rows_are_known(self, store, full):
        assert pending(store, rows_of(range(COUNT), dataset="birds:limit=10")) == []
        assert full.exists()

    def test_the_provenance_lists_every_origin_of_rows_and_no_other(self, store):
        rows = rows_of(range(COUNT))
        with store.open(KEY, rows, {"keras": "1"}) as file:
            file.write(range(10), features_of(range(10)))
        with store.open(KEY, rows, {"keras": "2"}) as file:
            assert file.pending() == list(range(10, COUNT))
            file.write(range(10, COUNT), features_of(range(10, COUNT)))
        with store.open(KEY, rows, {"keras": "3"}) as file:  # nothing left to write
            assert file.pending() == []
        with h5py.File(file.path) as stored:
            assert json.loads(stored.attrs["provenance"]) == [{"keras": "1"}, {"keras": "2"}]

    def test_the_provenance_includes_the_new_origin_of_a_damaged_row(self, store, full):
        layout = read_contents(full).layout
        data = bytearray(full.read_bytes())
        data[layout.features + 1] ^= 1
        full.write_bytes(data)
        with store.open(KEY, rows_of(range(COUNT)), {"keras": "2"}) as file:
            assert file.pending() == [0]
        assert read_contents(full).provenance == [{"keras": "2"}]

    def test_a_run_that_writes_no_row_is_not_in_the_provenance(self, store):
        rows = rows_of(range(COUNT))
        with store.open(KEY, rows, {"keras": "1"}) as file:
            file.write(range(10), features_of(range(10)))
        with store.open(KEY, rows, {}) as file:
            assert file.pending() == list(range(10, COUNT))
        with store.open(KEY, rows_of(range(COUNT + 1)), {}) as file:
            assert read_contents(file.path).provenance == [{"keras": "1"}]


class TestPending:
    def test_pending_returns_the_same_rows_as_opening_and_writes_nothing(self, store, full):
        before = sorted(store.folder.rglob("*"))
        for rows in (
            rows_of(range(COUNT)),
            rows_of(range(5, COUNT + 3)),
            rows_of(range(COUNT), "other"),
        ):
            pending = store.pending(KEY, rows)
            assert sorted(store.folder.rglob("*")) == before
            with FeatureStore(shutil.copytree(store.folder, store.folder.with_name("copy"))).open(
                KEY, rows, {}
            ) as file:
                assert file.pending() == pending
            shutil.rmtree(store.folder.with_name("copy"))

    def test_everything_is_pending_without_a_store(self, tmp_path):
        rows = replace(rows_of(range(3)), fingerprints=["0", "", "2"])
        assert FeatureStore(tmp_path / "none").pending(KEY, rows) == [0, 2]
        assert list(tmp_path.iterdir()) == []


class TestDamage:
    def test_a_flipped_bit_anywhere_in_the_features_costs_exactly_its_row(self, store, full):
        with h5py.File(full) as file:
            offset = file["features"].id.get_offset()
        draw, sound = random.Random(5), full.read_bytes()
        for _ in range(60):
            place = draw.randrange(COUNT * WIDTH * 4)
            damaged = bytearray(sound)
            damaged[offset + place] ^= 1 << draw.randrange(8)
            full.write_bytes(damaged)
            assert pending(store, rows_of(range(COUNT))) == [place // (WIDTH * 4)]

    def test_a_file_cut_anywhere_is_recomputed_and_never_gives_a_wrong_row(self, store, full):
        draw, sound = random.Random(6), full.read_bytes()
        for size in [0, 1, len(sound) - 1, *(draw.randrange(len(sound)) for _ in range(30))]:
            full.write_bytes(sound[:size])
            with store.open(KEY, rows_of(range(COUNT)), {}) as file:
                intact = file.intact()
                assert np.array_equal(file.read()[intact], features_of(range(COUNT))[intact])
                file.write(file.pending(), features_of(file.pending()))
            assert pending(store, rows_of(range(COUNT))) == []

    def test_a_text_file_at_the_path_is_replaced_and_rows_of_other_files_are_used(self, store, full):
        other = rows_of(range(COUNT), dataset="again")
        (full.parent / other.file_name).write_text("no HDF5")
        assert pending(store, other) == []

    def test_rows_are_rescued_from_a_file_with_damaged_metadata(self, store, full):
        full.write_bytes(full.read_bytes().replace(b"%032x" % 3, b"\xb0" * 32))
        with store.open(KEY, rows_of(range(COUNT)), {"keras": "9"}) as file:
            assert file.pending() == []
            assert np.array_equal(file.read(), features_of(range(COUNT)))
        origins = read_contents(full).provenance
        assert origins == [SALVAGED, {"keras": "9"}]

    def test_rows_are_rescued_after_another_program_was_killed_while_writing(self, store, full):
        """HDF5 marks a file that is open for writing in its superblock, until it is closed."""
        code = "import h5py, os, sys; file = h5py.File(sys.argv[1], 'r+'); os.kill(os.getpid(), 9)"
        subprocess.run([sys.executable, "-c", code, str(full)], check=False)
        with pytest.raises(DamagedFileError):
            read_contents(full)
        assert pending(store, rows_of(range(COUNT))) == []

    def test_a_file_without_a_seal_is_computed_again(self, store, full):
        full.write_bytes(bytes(USER_BLOCK_BYTES) + full.read_bytes()[USER_BLOCK_BYTES:])
        assert len(pending(store, rows_of(range(COUNT)))) == COUNT

    def test_a_file_changed_by_another_program_is_not_trusted(self, store, full):
        with h5py.File(full, "r+") as file:
            file.attrs["revision"] = "r2"
        with pytest.raises(DamagedFileError, match="bytes"):
            read_contents(full)
        assert pending(store, rows_of(range(COUNT))) == []
        assert read_contents(full).key == KEY

    def test_a_row_of_another_image_is_not_read(self, store, full):
        with h5py.File(full, "r+") as file:
            for name in ("features", "checksums"):
                file[name][2] = file[name][3]
        assert pending(store, rows_of(range(COUNT))) == [2]


class TestFormats:
    def test_a_newer_format_is_refused_and_left_alone(self, store, full):
        with full.open("r+b", buffering=0) as file:
            newer = replace(read_seal(file), version=99)
            file.seek(0)
            file.write(newer.block)
        before = full.read_bytes()
        with pytest.raises(StoreError, match=r"format 99.*upgrade"):
            store.open(KEY, rows_of(range(COUNT)), {})
        assert full.read_bytes() == before
        assert len(pending(store, rows_of(range(COUNT), dataset="another"))) == COUNT

    @pytest.mark.parametrize("bit", range(8))
    def test_a_flipped_bit_in_the_version_is_damage_and_not_a_newer_format(self, store, full, bit):
        data = bytearray(full.read_bytes())
        data[data.index(b'"version": 2') + len(b'"version": ')] ^= 1 << bit
        full.write_bytes(data)
        assert len(pending(store, rows_of(range(COUNT)))) == COUNT

    @pytest.fixture
    def first(self, store) -> Path:
        """A file of format 1 with every row but number 3."""
        rows = rows_of(range(COUNT))
        path = store.path(KEY, rows)
        path.parent.mkdir(parents=True)
        write_format_1(path, KEY, rows, features_of(range(COUNT)), absent=[3])
        return path

    def test_format_1_is_read_as_it_is(self, store, first):
        before = first.read_bytes()
        with store.open(KEY, rows_of(range(COUNT)), {}, create=False) as file:
            assert file.pending() == [3]
            assert np.array_equal(file.read()[4:], features_of(range(4, COUNT)))
        assert first.read_bytes() == before

    def test_format_1_becomes_format_2_when_rows_are_to_be_written(self, store, first):
        with store.open(KEY, rows_of(range(COUNT)), {"keras": "2"}) as file:
            assert file.pending() == [3]
        contents = read_contents(first)
        assert contents.version == 2
        assert contents.provenance == [{"keras": "1"}, {"keras": "2"}]

    def test_rows_of_format_1_are_used_for_other_datasets(self, store, first):
        assert pending(store, rows_of([*range(COUNT), 99], dataset="more")) == [3, COUNT]

    def test_writing_rows_changes_no_byte_outside_rows_and_checksums(self, store):
        rows = rows_of(range(COUNT))
        with store.open(KEY, rows, {}) as file:
            before = bytearray(file.path.read_bytes())
            file.write([0, 1, 7], features_of([0, 1, 7]))
        after = bytearray(file.path.read_bytes())
        layout = read_contents(file.path).layout
        for data in (before, after):
            data[layout.checksums : layout.checksums + COUNT * 4] = bytes(COUNT * 4)
            data[layout.features : layout.features + COUNT * layout.stride] = bytes(
                COUNT * layout.stride
            )
        assert before == after

    def test_plain_h5py_reads_what_was_written(self, full):
        with h5py.File(full) as file:
            assert file.userblock_size == USER_BLOCK_BYTES
            assert np.array_equal(file["features"][:], features_of(range(COUNT)))

    def test_the_seal_has_the_offsets_that_hdf5_has(self, full):
        with h5py.File(full) as h5, full.open("rb", buffering=0) as file:
            seal = read_seal(file)
            assert seal.features == (h5["features"].id.get_offset(), COUNT * WIDTH * 4)
            assert seal.checksums == (h5["checksums"].id.get_offset(), COUNT * 4)


class TestFloat16:
    @pytest.fixture
    def half(self, store) -> FeatureStore:
        return FeatureStore(store.folder, "float16")

    def test_features_take_half_the_space_and_are_read_as_float32(self, half):
        wide, rows = replace(KEY, feature_dim=4096), rows_of(range(COUNT))
        features = np.random.default_rng(0).random((COUNT, 4096), dtype=np.float32)
        with half.open(wide, rows, {}) as file:
            file.write(range(COUNT), features)
            assert file.pending() == []
            assert file.read().dtype == np.float32
            assert np.array_equal(file.read(), features.astype(np.float16).astype(np.float32))
        assert file.path.stat().st_size < 2 * COUNT * 4096 + 20_000

    def test_rows_kept_as_float32_are_rounded_to_what_would_be_computed(self, store, half):
        rows = rows_of(range(COUNT))
        with store.open(KEY, rows, {"keras": "1"}) as file:
            file.write(range(10), features_of(range(10)))
        assert half.pending(KEY, rows) == list(range(10, COUNT))
        with half.open(KEY, rows, {"keras": "2"}) as file:
            assert file.pending() == list(range(10, COUNT))
            assert np.array_equal(file.read()[:10], features_of(range(10)).astype(np.float16))
        assert read_contents(file.path).provenance == [{"keras": "1"}, {"keras": "2"}]

    def test_values_out_of_range_for_float16_are_not_copied(self, store, half):
        features, rows = features_of(range(COUNT)), rows_of(range(COUNT))
        features[3, 0] = 70_000
        with store.open(KEY, rows, {}) as file:
            file.write(range(COUNT), features)
        assert half.pending(KEY, rows) == [3]
        with half.open(KEY, rows, {}) as file:
            assert file.pending() == [3]

    def test_float32_rows_are_never_copied_from_float16(self, store, half):
        rows = rows_of(range(COUNT))
        with half.open(KEY, rows, {}) as file:
            file.write(range(COUNT), features_of(range(COUNT)))
        assert store.pending(KEY, rows) == list(range(COUNT))

    def test_a_value_out_of_range_is_an_error_that_names_the_image(self, half):
        features = features_of(range(3))
        features[1, 2] = 70_000
        with half.open(KEY, rows_of(range(3)), {}) as file:
            with pytest.raises(
                StoreError,
                match=r"1\.jpg has a feature value of 70000, .* range .*--feature-dtype float32",
            ):
                file.write(range(3), features)
            assert file.pending() == [0, 1, 2]


class TestOtherProcesses:
    def test_a_file_being_written_by_another_process_is_refused_to_a_second_writer(self, store):
        with writer(store.folder) as process:
            assert process.stdout.readline() == "open\n"
            try:
                with pytest.raises(StoreError, match=r"birds-.*in use by another process"):
                    store.open(KEY, rows_of(range(2000)), {})
            finally:
                process.kill()

    def test_a_reader_beside_a_writer_sees_committed_rows_and_no_wrong_one(self, store):
        with writer(store.folder) as process:
            assert process.stdout.readline() == "open\n"
            try:
                for line in islice(process.stdout, 40):
                    with store.open(KEY, rows_of(range(2000)), {}, create=False) as file:
                        intact, features = file.intact(), file.read()
                    assert np.array_equal(features[intact], features_of(range(2000))[intact])
                    assert intact[[int(number) for number in line.split()]].all()
            finally:
                process.kill()

    def test_a_file_replaced_under_a_writer_stops_the_writer(self, store, full):
        with store.open(KEY, rows_of(range(COUNT)), {}) as file:
            shutil.copy(full, full.with_suffix(".copy"))
            full.with_suffix(".copy").replace(full)
            with pytest.raises(StoreError, match="replaced by another"):
                file.write([0], features_of([0]))

    def test_leftovers_of_killed_processes_are_removed(self, store, full):
        leftover = full.with_name(f".{full.name}.123")
        leftover.write_bytes(b"half")
        pending(store, rows_of(range(COUNT + 1)))
        assert list(full.parent.iterdir()) == [store.path(KEY, rows_of(range(COUNT + 1)))]

    def test_every_row_reported_as_committed_survives_sigkill(self, store):
        draw, committed, rows = random.Random(7), set(), rows_of(range(2000))
        for _ in range(8):
            with writer(store.folder) as process:
                if draw.random() < 0.7:
                    process.stdout.readline()
                time.sleep(draw.random() * 0.06)
                process.send_signal(signal.SIGKILL)
                lines = [line for line in process.stdout.read().splitlines() if line[0].isdigit()]
            committed.update(int(number) for line in lines for number in line.split())
            with store.open(KEY, rows, {}) as file:
                intact = file.intact()
                assert committed <= set(np.flatnonzero(intact).tolist())
                assert np.array_equal(file.read()[intact], features_of(range(2000))[intact])
            assert len(list(file.path.parent.iterdir())) <= 2
        assert committed


class TestFolders:
    def test_a_file_where_the_folder_should_be_is_named(self, store):
        store.folder.write_text("in the way")
        with pytest.raises(StoreError, match=r"features.*cannot be used"):
            store.open(KEY, rows_of(range(3)), {})

    def test_reading_without_features_says_what_to_run(self, store):
        with pytest.raises(StoreError, match="stackkit extract"):
            store.open(KEY, rows_of(range(3)), {}, create=False)
        assert not store.folder.exists()
