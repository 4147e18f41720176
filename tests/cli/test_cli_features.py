"""`stackkit features`: list, show, verify, delete and export what is stored."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.commands import HISTOGRAM, Command, chosen, flip, flip_row, photographs, variables
from support.machines import read_only

from stackkit.store.metadata import read_contents

DAY = 86_400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photographs(tmp_path / "pictures", a=3, b=4)


@pytest.fixture
def stored(stackkit: Command, root: Path, home: Path) -> Path:
    """The feature file of 7 small pictures."""
    assert stackkit("extract", *chosen(root)).code == 0
    (path,) = home.glob("features/*/*.h5")
    return path


def unused_for(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds a file as a writer does."""
    code = (
        "import sys; from pathlib import Path; from stackkit.store.metadata import read_contents; "
        "from stackkit.store import FeatureFile; path = Path(sys.argv[1]); "
        "file = FeatureFile(path, read_contents(path), writable=True); print(1); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-uc", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=variables(),
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process


class TestLs:
    def test_files_are_listed_with_their_contents(self, stackkit: Command, stored: Path) -> None:
        (file,) = stackkit("features", "ls", "--json").document["files"]
        assert file["path"] == str(stored)
        assert (file["stored"], file["images"], file["state"]) == (7, 7, "complete")
        assert (file["backbone"], file["dtype"], file["trained"]) == (
            f"{HISTOGRAM}/{HISTOGRAM}",
            "float32",
            True,
        )
        out = stackkit("features", "ls").out
        assert "7 of 7" in out
        assert "complete" in out
        assert "1 files" in out

    def test_an_empty_store_has_0_files(self, stackkit: Command) -> None:
        assert "0 files" in stackkit("features", "ls").out

    def test_states_are_distinguished(self, stackkit: Command, stored: Path) -> None:
        sound = stored.read_bytes()
        folder = stored.parent
        (folder / "cut-0123456789ab.h5").write_bytes(sound[:900])
        (folder / "text.h5").write_text("no HDF5")
        with h5py.File(folder / "theirs.h5", "w") as file:
            file["x"] = [1]
        layout = read_contents(stored).layout
        partial = bytearray(sound)
        partial[layout.checksums : layout.checksums + 4] = bytes(4)
        (folder / "part-0123456789ab.h5").write_bytes(partial)
        files = stackkit("features", "ls", "--json").document["files"]
        assert {Path(file["path"]).name.split("-")[0]: file["state"] for file in files} == {
            "cut": "damaged",
            "text.h5": "damaged",
            "theirs.h5": "other",
            "part": "partial",
            "image": "complete",
        }

    def test_float16_is_listed_as_a_file_of_its_own(
        self, stackkit: Command, stored: Path, root: Path
    ) -> None:
        half = [*chosen(root), "--feature-dtype", "float16"]
        assert stackkit("extract", *half, "--json").document["computed"] == {HISTOGRAM: 0}
        assert stackkit("evaluate", *half).code == 0
        files = stackkit("features", "ls", "--json").document["files"]
        assert sorted(file["dtype"] for file in files) == ["float16", "float32"]


class TestShow:
    @pytest.mark.parametrize("how", ["1", "colour", "image-folder", "path"])
    def test_a_file_is_found_by_number_path_and_prefix(
        self, stackkit: Command, stored: Path, how: str
    ) -> None:
        shown = stackkit("features", "show", str(stored) if how == "path" else how, "--json").document
        assert shown["path"] == str(stored)
        assert shown["classes"] == {"a": 3, "b": 4}
        assert shown["provenance"][0]["component"]["label"] == HISTOGRAM

    @pytest.mark.parametrize("text", ["2", "nothing"])
    def test_a_name_that_matches_no_file_is_refused(
        self, stackkit: Command, stored: Path, text: str
    ) -> None:
        outcome = stackkit("features", "show", text)
        assert outcome.code == 2
        assert "matches no file" in outcome.error

    def test_a_prefix_that_matches_two_files_is_refused(
        self, stackkit: Command, stored: Path, root: Path
    ) -> None:
        stackkit("extract", *chosen(root, f"{HISTOGRAM}:bins=2"))
        assert "matches 2 files" in stackkit("features", "show", "colour").error

    def test_missing_and_damaged_rows_are_named(self, stackkit: Command, stored: Path) -> None:
        flip_row(stored, 2)
        out = stackkit("features", "show", "1").out
        assert "a/002.png" in out
        assert '"label": "colour-histogram"' in out


class TestVerify:
    def test_intact_rows_are_counted(self, stackkit: Command, stored: Path) -> None:
        outcome = stackkit("features", "verify")
        assert outcome.code == 0
        assert "7 rows intact" in outcome.out

    def test_a_damaged_row_is_named_and_is_an_error(self, stackkit: Command, stored: Path) -> None:
        flip_row(stored, 3)
        outcome = stackkit("features", "verify", "--json")
        assert outcome.code == 6
        assert json.loads(outcome.out)["files"][0]["damaged"] == ["b/000.png"]
        assert "1 of 1 files failed verification" in outcome.err
        assert "stackkit extract" in outcome.err

    def test_extract_repairs_a_damaged_file(self, stackkit: Command, stored: Path, root: Path) -> None:
        flip(stored, stored.stat().st_size - 3)
        assert stackkit("features", "verify").code == 6
        assert stackkit("extract", *chosen(root), "--json").document["reused"] == {HISTOGRAM: 7}
        assert stackkit("features", "verify").code == 0

    def test_recomputed_rows_agree(self, stackkit: Command, stored: Path) -> None:
        (file,) = stackkit("features", "verify", "--recompute", "5", "--json").document["files"]
        assert (file["recomputed"], file["disagreeing"], file["skipped"]) == (5, [], {})

    def test_a_file_without_rows_has_nothing_to_recompute(
        self, stackkit: Command, tmp_path: Path
    ) -> None:
        for name in "ab":
            (tmp_path / name).mkdir()
            (tmp_path / name / "broken.png").write_bytes(b"no image")
        stackkit("extract", *chosen(tmp_path))
        (file,) = stackkit("features", "verify", "--recompute", "5", "--json").document["files"]
        assert (file["sound"], file["recomputed"]) == (True, 0)

    def test_a_row_that_differs_from_the_network_is_found(self, stackkit: Command, stored: Path) -> None:
        contents = read_contents(stored)
        from stackkit.store.rows import checksum, write_rows

        with stored.open("r+b", buffering=0) as file:
            wrong = np.full((1, contents.layout.width), 0.5, dtype=np.float32)
            write_rows(file, contents.layout, 4, [checksum(contents.fingerprints[4], wrong[0])], wrong)
        assert stackkit("features", "verify").code == 0
        outcome = stackkit("features", "verify", "--recompute", "7", "--json")
        assert outcome.code == 6
        assert json.loads(outcome.out)["files"][0]["disagreeing"] == ["b/001.png"]
        assert "computes other features now under the same revision" in outcome.err
        assert "extract" not in outcome.err, "which would find every row stored"

    def test_an_image_that_changed_is_not_compared(
        self, stackkit: Command, stored: Path, root: Path
    ) -> None:
        (root / "a" / "000.png").write_bytes((root / "b" / "000.png").read_bytes())
        (file,) = stackkit("features", "verify", "--recompute", "7", "--json").document["files"]
        assert file["skipped"] == {"a/000.png": "the image has changed since its features were stored"}
        assert file["recomputed"] == 6

    def test_a_missing_backbone_is_named(
        self, stackkit: Command, stored: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STACKKIT_PLUGINS", "")
        outcome = stackkit("features", "verify", "--recompute", "1")
        assert outcome.code == 2
        assert "unknown backbone 'colour-histogram'" in outcome.error

    def test_a_changed_revision_is_named(
        self, stackkit: Command, stored: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from stackkit_colour_histogram import backbone  # type: ignore[import-not-found]

        real = backbone.ColourHistogram.__init__

        def newer(self: object, *, bins: int) -> None:
            real(self, bins=bins)
            self.revision = "2"  # type: ignore[attr-defined]

        monkeypatch.setattr(backbone.ColourHistogram, "__init__", newer)
        outcome = stackkit("features", "verify", "--recompute", "1")
        assert "revision 1-bins4" in outcome.error
        assert "revision 2" in outcome.error


class TestConcurrentProcesses:
    @pytest.fixture
    def writer(self, stored: Path) -> Iterator[None]:
        """Another process that has the file open for writing."""
        with writing(stored) as process:
            yield
            process.kill()

    @pytest.mark.usefixtures("writer")
    def test_reading_works_while_another_process_writes(
        self, stackkit: Command, root: Path, tmp_path: Path
    ) -> None:
        assert stackkit("evaluate", *chosen(root)).code == 0
        assert "7 of 7" in stackkit("features", "ls").out
        assert stackkit("features", "show", "1").code == 0
        assert stackkit("features", "verify").code == 0
        assert stackkit("features", "export", "1", "--out", tmp_path / "out").code == 0

    @pytest.mark.usefixtures("writer")
    def test_a_second_writer_is_refused_with_the_file_in_use(
        self, stackkit: Command, stored: Path, root: Path
    ) -> None:
        outcome = stackkit("extract", *chosen(root))
        assert outcome.code == 6
        assert f"{stored} is in use by another process" in outcome.error

    def test_a_read_only_store_is_read(
        self, stackkit: Command, stored: Path, root: Path, home: Path
    ) -> None:
        with read_only(home / "features"):
            assert stackkit("evaluate", *chosen(root)).code == 0
            assert stackkit("features", "verify").code == 0
            outcome = stackkit("extract", *chosen(root))
            stackkit("features", "gc", "--keep-size", "1KB")
        assert outcome.code == 6
        assert "cannot be written" in outcome.error
        assert stored.exists()


class TestGc:
    def test_nothing_is_deleted_without_a_criterion(self, stackkit: Command, stored: Path) -> None:
        outcome = stackkit("features", "gc")
        assert outcome.code == 2
        assert "--older-than" in outcome.error
        assert stored.exists()

    def test_engines_are_counted_and_deleted_only_with_engines(
        self, stackkit: Command, stored: Path, home: Path
    ) -> None:
        unused_for(stored, 31)
        engine = home / "engines" / "vgg19-0123456789ab"
        (engine / "openvino-1").mkdir(parents=True)
        (engine / "openvino-1" / "model.bin").write_bytes(bytes(4000))
        assert f"{home / 'engines'}: 1 engines, 4.0 kB" in stackkit("features", "ls").out
        known = stackkit("features", "ls", "--json").document["engines"]
        assert known == [{"path": str(engine), "bytes": 4000}]
        dry = stackkit("features", "gc", "--engines", "--dry-run").out.splitlines()
        assert dry == [
            f"would delete {engine}: engine, 4.0 kB",
            "would delete 0 files, 1 engines, 4.0 kB",
        ]
        assert stackkit("features", "gc", "--keep-size", "1GB", "--json").document["engines"] == []
        assert engine.exists()
        assert stackkit("features", "gc", "--engines", "--json").document["bytes"] == 4000
        assert not engine.exists()
        assert stored.exists()
        assert f"{home / 'engines'}" not in stackkit("features", "ls").out

    @pytest.mark.parametrize(("age", "stays"), [("30d", False), ("8w", True), ("1000h", True)])
    def test_unused_files_are_deleted(
        self, stackkit: Command, stored: Path, age: str, stays: bool
    ) -> None:
        unused_for(stored, 31)
        assert stackkit("features", "gc", "--older-than", age).code == 0
        assert stored.exists() == stays
        assert stored.parent.exists() == stays

    def test_a_dry_run_lists_and_deletes_nothing(self, stackkit: Command, stored: Path) -> None:
        unused_for(stored, 31)
        outcome = stackkit("features", "gc", "--older-than", "30d", "--dry-run")
        assert f"would delete {stored}" in outcome.out
        assert stored.exists()

    def test_the_longest_unused_are_deleted_until_the_rest_fits(
        self, stackkit: Command, root: Path, home: Path
    ) -> None:
        for bins in (2, 3, 4):
            stackkit("extract", *chosen(root, f"{HISTOGRAM}:bins={bins}"))
        paths = sorted(home.glob("features/*/*.h5"))
        for days, path in enumerate(paths):
            unused_for(path, days)
        keep = paths[0].stat().st_size + paths[1].stat().st_size
        removed = stackkit("features", "gc", "--keep-size", f"{keep / 1000}KB", "--json").document
        assert [one["path"] for one in removed["removed"]] == [str(paths[2])]
        assert removed["bytes"] > 0

    def test_evaluating_counts_as_use(self, stackkit: Command, stored: Path, root: Path) -> None:
        unused_for(stored, 31)
        assert stackkit("evaluate", *chosen(root)).code == 0
        stackkit("features", "gc", "--older-than", "30d")
        assert stored.exists()

    def test_damaged_files_and_leftovers_are_deleted_and_other_files_kept(
        self, stackkit: Command, stored: Path
    ) -> None:
        damaged, other = stored.with_name("cut-0123456789ab.h5"), stored.with_name("mine.h5")
        leftover = stored.with_name(f".{stored.name}.1234")
        for path in (damaged, other, leftover):
            path.write_bytes(b"no HDF5")
        stackkit("features", "gc", "--older-than", "9000d")
        assert sorted(stored.parent.glob("*.h5*")) == sorted([stored, other])

    def test_files_that_vanish_in_the_meantime_are_skipped(
        self, stackkit: Command, stored: Path
    ) -> None:
        for name in ("gone.h5", f".{stored.name}.1234"):
            stored.with_name(name).symlink_to("nothing")  # listed, and not there when it is opened
        assert len(stackkit("features", "ls", "--json").document["files"]) == 1
        assert not stackkit("features", "gc", "--older-than", "30d", "--json").document["removed"]

    def test_a_file_in_use_is_kept(self, stackkit: Command, stored: Path) -> None:
        unused_for(stored, 31)
        with writing(stored) as process:
            stackkit("features", "gc", "--older-than", "30d")
            assert stored.exists()
            process.kill()

    @pytest.mark.parametrize("criterion", [("--older-than", "soon"), ("--keep-size", "10 parsecs")])
    def test_invalid_amounts_are_refused(
        self, stackkit: Command, stored: Path, criterion: tuple[str, str]
    ) -> None:
        outcome = stackkit("features", "gc", *criterion)
        assert outcome.code == 2
        assert f"{criterion[0]} must be a" in outcome.error
        assert f"got {criterion[1]!r}" in outcome.error


class TestExport:
    def features(self, stored: Path) -> np.ndarray:
        with h5py.File(stored) as file:
            return file["features"][:]

    def test_npy_is_a_folder_with_all_names(
        self, stackkit: Command, stored: Path, tmp_path: Path
    ) -> None:
        assert "7 of 7 images" in stackkit("features", "export", "1", "--out", tmp_path / "out").out
        assert np.array_equal(np.load(tmp_path / "out" / "features.npy"), self.features(stored))
        assert np.load(tmp_path / "out" / "labels.npy").tolist() == [0] * 3 + [1] * 4
        about = json.loads((tmp_path / "out" / "about.json").read_text())
        assert about["class_names"] == ["a", "b"]
        assert about["sample_ids"][3] == "b/000.png"
        assert about["splits"] == [""] * 7
        assert about["provenance"][0]["component"]["label"] == HISTOGRAM

    def test_hdf5_is_one_file(self, stackkit: Command, stored: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.h5"
        assert stackkit("features", "export", "1", "--format", "hdf5", "--out", out).code == 0
        with h5py.File(out) as file:
            assert np.array_equal(file["features"][:], self.features(stored))
            assert file["labels"][:].tolist() == [0] * 3 + [1] * 4
            assert file["sample_ids"].asstr()[3] == "b/000.png"
            assert file["class_names"].asstr()[:].tolist() == ["a", "b"]
            assert file["splits"].shape == (7,)

    def test_parquet_is_one_table(self, stackkit: Command, stored: Path, tmp_path: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet is absent")
        out = tmp_path / "out.parquet"
        assert stackkit("features", "export", "1", "--format", "parquet", "--out", out).code == 0
        table = parquet.read_table(out)
        assert table.column_names == ["sample_id", "label", "class_name", "split", "features"]
        features = np.array(table["features"].to_pylist(), dtype=np.float32)
        assert np.array_equal(features, self.features(stored))
        assert table["class_name"].to_pylist() == ["a"] * 3 + ["b"] * 4
        assert table["split"].to_pylist() == [None] * 7
        assert json.loads(table.schema.metadata[b"stackkit"])["class_names"] == ["a", "b"]

    def test_parquet_without_its_package_names_what_to_install(
        self, stackkit: Command, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        out = tmp_path / "out.parquet"
        outcome = stackkit("features", "export", "1", "--format", "parquet", "--out", out)
        assert "pip install 'stackkit[parquet]'" in outcome.error
        assert list(tmp_path.glob("*parquet*")) == []

    @pytest.mark.parametrize("kind", ["npy", "hdf5", "parquet"])
    def test_only_intact_rows_are_exported(
        self, stackkit: Command, stored: Path, tmp_path: Path, kind: str
    ) -> None:
        pytest.importorskip("pyarrow", reason="the extra parquet is absent")
        flip_row(stored, 0)
        arguments = ["1", "--format", kind, "--out", tmp_path / "out", "--json"]
        assert stackkit("features", "export", *arguments).document["rows"] == 6

    @pytest.mark.parametrize("kind", ["npy", "hdf5"])
    def test_an_export_is_replaced_only_with_overwrite(
        self, stackkit: Command, stored: Path, tmp_path: Path, kind: str
    ) -> None:
        arguments = ["features", "export", "1", "--format", kind, "--out", tmp_path / "out"]
        assert stackkit(*arguments).code == 0
        assert "exists" in stackkit(*arguments).error
        assert stackkit(*arguments, "--overwrite").code == 0

    def test_a_folder_that_export_did_not_write_is_never_replaced(
        self, stackkit: Command, stored: Path, root: Path
    ) -> None:
        outcome = stackkit("features", "export", "1", "--out", root, "--overwrite")
        assert "that export did not write" in outcome.error
        assert len(list(root.iterdir())) == 2

    def test_a_damaged_file_cannot_be_exported(
        self, stackkit: Command, stored: Path, tmp_path: Path
    ) -> None:
        flip(stored, stored.stat().st_size - 3)
        outcome = stackkit("features", "export", "1", "--out", tmp_path / "out")
        assert "bytes outside its rows have changed" in outcome.error
