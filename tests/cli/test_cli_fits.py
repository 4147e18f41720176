"""`stackkit fits`: list and remove cached fits without disturbing a run."""

import os
import shutil
import time
from pathlib import Path

import pytest
from support.commands import Command, chosen, photographs
from support.machines import read_only, small_disk

DAY = 86_400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photographs(tmp_path / "pictures", a=6, b=6)


@pytest.fixture
def cached(stackkit: Command, root: Path, home: Path) -> list[Path]:
    """3 folds of a baseline, a learner and three aggregators on one backbone."""
    assert stackkit("run", *chosen(root)).code == 0
    return sorted(home.glob("fits/*/*.npz"))


def used(path: Path, days_ago: float) -> None:
    then = time.time() - days_ago * DAY
    os.utime(path, (then, then))


def total(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


class TestLs:
    def test_fits_are_counted_with_their_size_and_uses(
        self, stackkit: Command, cached: list[Path], home: Path
    ) -> None:
        used(cached[3], 40)
        listed = stackkit("fits", "ls", "--json").document
        assert (listed["folder"], listed["fits"], listed["bytes"]) == (
            str(home / "fits"),
            15,
            total(cached),
        )
        assert listed["oldest_use"] < listed["newest_use"]
        first, second = stackkit("fits", "ls").out.splitlines()
        assert first.startswith(f"{home / 'fits'}: 15 fits, ")
        assert second == "most recently used < 1 h ago, least recently used 5 w ago"

    def test_an_empty_cache_is_listed_as_such(self, stackkit: Command, home: Path) -> None:
        assert stackkit("fits", "ls").out == f"{home / 'fits'}: 0 fits, 0 bytes\n"
        listed = stackkit("fits", "ls", "--json").document
        assert (listed["fits"], listed["oldest_use"]) == (0, None)


class TestGc:
    def test_a_criterion_is_required(self, stackkit: Command, cached: list[Path]) -> None:
        outcome = stackkit("fits", "gc")
        assert outcome.code == 2
        assert "--older-than" in outcome.error
        assert all(path.exists() for path in cached)

    def test_fits_unused_for_long_are_removed(self, stackkit: Command, cached: list[Path]) -> None:
        for path in cached[:3]:
            used(path, 31)
        lines = stackkit("fits", "gc", "--older-than", "30d").out.splitlines()
        assert lines[0].startswith("deleted 3 fits: unused for too long, ")
        assert [path.exists() for path in cached] == [False] * 3 + [True] * 12

    def test_the_longest_unused_are_removed_first_until_the_rest_fits(
        self, stackkit: Command, cached: list[Path]
    ) -> None:
        for days, path in enumerate(cached):
            used(path, days)
        room = total(cached[:5]) / 1000
        removed = stackkit("fits", "gc", "--keep-size", f"{room}KB", "--json").document["removed"]
        assert {one["path"] for one in removed} == {str(path) for path in cached[5:]}

    def test_a_dry_run_lists_the_same_and_removes_nothing(
        self, stackkit: Command, cached: list[Path]
    ) -> None:
        dry = stackkit("fits", "gc", "--all", "--dry-run", "--json").document
        assert all(path.exists() for path in cached)
        assert dry["dry_run"]
        assert dry["bytes"] == total(cached)
        assert stackkit("fits", "gc", "--all", "--json").document == dry | {"dry_run": False}
        assert not any(path.exists() for path in cached)

    def test_removed_fits_are_fitted_again_with_the_same_results(
        self, stackkit: Command, cached: list[Path], root: Path, home: Path
    ) -> None:
        before = stackkit("evaluate", *chosen(root), "--json").document["results"]
        stackkit("fits", "gc", "--all")
        assert stackkit("evaluate", *chosen(root), "--json").document["results"] == before
        assert sorted(home.glob("fits/*/*.npz")) == cached

    def test_using_a_fit_counts_as_use(self, stackkit: Command, cached: list[Path], root: Path) -> None:
        for path in cached:
            used(path, 31)
        assert stackkit("evaluate", *chosen(root), "--aggregator", "soft-vote").code == 0
        stackkit("fits", "gc", "--older-than", "30d")
        assert sum(path.exists() for path in cached) == 9  # all but those of average-svm

    def test_old_leftovers_are_removed_and_foreign_files_stay(
        self, stackkit: Command, cached: list[Path]
    ) -> None:
        folder = cached[0].parent
        old, fresh = (folder / f".{cached[0].name}.{token}" for token in ("0a1b2c3d", "4e5f6071"))
        foreign = [folder / "mine.npz", folder.parent / "notes.npz", folder.parent / "readme.txt"]
        for path in (old, fresh, *foreign):
            path.write_bytes(b"half")
        used(old, 2)
        (gone,) = stackkit("fits", "gc", "--older-than", "30d", "--json").document["removed"]
        assert (gone["path"], gone["reason"]) == (str(old), "left over")
        stackkit("fits", "gc", "--all")
        assert not any(path.exists() for path in cached)
        assert all(path.exists() for path in (fresh, *foreign))

    def test_a_fit_used_during_the_removal_stays(
        self, stackkit: Command, cached: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from stackkit.evaluation import fit_cache as module

        def slowly(folder: Path, now: float) -> list[object]:
            used(cached[4], -1)
            return []

        monkeypatch.setattr(module, "leftovers", slowly)
        stackkit("fits", "gc", "--all")
        assert [path for path in cached if path.exists()] == [cached[4]]

    @pytest.mark.parametrize("criterion", [("--older-than", "soon"), ("--keep-size", "10 parsecs")])
    def test_invalid_amounts_are_refused(self, stackkit: Command, criterion: tuple[str, str]) -> None:
        outcome = stackkit("fits", "gc", *criterion)
        assert outcome.code == 2
        assert f"{criterion[0]} must be a" in outcome.error
        assert f"got {criterion[1]!r}" in outcome.error


class TestCaching:
    def test_an_added_aggregator_costs_only_its_own_fits(
        self, stackkit: Command, cached: list[Path], root: Path, home: Path
    ) -> None:
        for aggregator, new in (
            ("geometric-vote", 3),
            ("weighted-vote", 3 * 3 + 3),  # it is the first that learns from inner folds
            ("average-svm:fit_on=out-of-fold", 3),
            ("concat", 0),  # it is there by default
        ):
            before = set(home.glob("fits/*/*.npz"))
            options = ["--aggregator", "average-svm,soft-vote", "--aggregator", aggregator]
            assert stackkit("evaluate", *chosen(root), *options).code == 0
            assert len(set(home.glob("fits/*/*.npz")) - before) == new

    def test_a_full_disk_is_reported_once_and_changes_no_result(
        self, stackkit: Command, cached: list[Path], root: Path, home: Path
    ) -> None:
        expected = stackkit("evaluate", *chosen(root), "--json").document["results"]
        stackkit("fits", "gc", "--all")
        shutil.rmtree(home / "fits")
        with small_disk(home / "fits", "24k"):
            outcome = stackkit("evaluate", *chosen(root), "--json")
            assert outcome.document["results"] == expected
            messages = [line for line in outcome.err.splitlines() if "cannot be cached" in line]
            assert len(messages) == 1
            assert "No space left on device" in messages[0]
            names = [path.name for path in home.glob("fits/*/*")]
            assert set(names) < {path.name for path in cached}
            again = stackkit("evaluate", *chosen(root), "--json")
            assert again.document["results"] == expected

    def test_a_read_only_folder_is_reported_once_and_changes_no_result(
        self, stackkit: Command, cached: list[Path], root: Path, home: Path
    ) -> None:
        expected = stackkit("evaluate", *chosen(root), "--json").document["results"]
        cached[0].unlink()
        with read_only(home / "fits"):
            outcome = stackkit("evaluate", *chosen(root), "--json")
        assert outcome.document["results"] == expected
        assert outcome.err.count("finished fits cannot be cached") == 1
