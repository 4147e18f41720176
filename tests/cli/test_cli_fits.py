"""`stackkit fits`: finished fits are counted and cleared out, and a run beside it is not harmed."""

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
def kept(stackkit: Command, root: Path, home: Path) -> list[Path]:
    """3 folds of a baseline, a learner and two aggregators on one backbone."""
    assert stackkit("run", *chosen(root)).code == 0
    return sorted(home.glob("fits/*/*.npz"))


def used(path: Path, days_ago: float) -> None:
    then = time.time() - days_ago * DAY
    os.utime(path, (then, then))


def total(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


class TestLs:
    def test_fits_are_counted_with_their_size_and_uses(
        self, stackkit: Command, kept: list[Path], home: Path
    ) -> None:
        used(kept[3], 40)
        told = stackkit("fits", "ls", "--json").document
        assert (told["folder"], told["fits"], told["bytes"]) == (str(home / "fits"), 12, total(kept))
        assert told["oldest_use"] < told["newest_use"]
        first, second = stackkit("fits", "ls").out.splitlines()
        assert first.startswith(f"{home / 'fits'}: 12 fits, ")
        assert second == "last used < 1 h ago, the longest unused 5 w ago"

    def test_where_nothing_is_kept_there_is_nothing_to_tell(self, stackkit: Command, home: Path) -> None:
        assert stackkit("fits", "ls").out == f"{home / 'fits'}: 0 fits, 0 bytes\n"
        told = stackkit("fits", "ls", "--json").document
        assert (told["fits"], told["oldest_use"]) == (0, None)


class TestGc:
    def test_nothing_goes_without_a_criterion(self, stackkit: Command, kept: list[Path]) -> None:
        outcome = stackkit("fits", "gc")
        assert outcome.code == 2
        assert "--older-than" in outcome.error
        assert all(path.exists() for path in kept)

    def test_what_was_not_used_for_long_goes(self, stackkit: Command, kept: list[Path]) -> None:
        for path in kept[:3]:
            used(path, 31)
        lines = stackkit("fits", "gc", "--older-than", "30d").out.splitlines()
        assert lines[0].startswith("removed 3 fits: unused for too long, ")
        assert [path.exists() for path in kept] == [False] * 3 + [True] * 9

    def test_the_longest_unused_go_first_until_the_rest_fits(
        self, stackkit: Command, kept: list[Path]
    ) -> None:
        for days, path in enumerate(kept):
            used(path, days)
        room = total(kept[:5]) / 1000
        removed = stackkit("fits", "gc", "--keep-size", f"{room}KB", "--json").document["removed"]
        assert {one["path"] for one in removed} == {str(path) for path in kept[5:]}

    def test_a_dry_run_tells_the_same_and_removes_nothing(
        self, stackkit: Command, kept: list[Path]
    ) -> None:
        dry = stackkit("fits", "gc", "--all", "--dry-run", "--json").document
        assert all(path.exists() for path in kept)
        assert dry["dry_run"]
        assert dry["bytes"] == total(kept)
        assert stackkit("fits", "gc", "--all", "--json").document == dry | {"dry_run": False}
        assert not any(path.exists() for path in kept)

    def test_what_is_gone_is_fitted_again_to_the_same_figures(
        self, stackkit: Command, kept: list[Path], root: Path, home: Path
    ) -> None:
        before = stackkit("evaluate", *chosen(root), "--json").document["results"]
        stackkit("fits", "gc", "--all")
        assert stackkit("evaluate", *chosen(root), "--json").document["results"] == before
        assert sorted(home.glob("fits/*/*.npz")) == kept

    def test_using_a_fit_counts_as_use(self, stackkit: Command, kept: list[Path], root: Path) -> None:
        for path in kept:
            used(path, 31)
        assert stackkit("evaluate", *chosen(root), "--aggregator", "soft-vote").code == 0
        stackkit("fits", "gc", "--older-than", "30d")
        assert sum(path.exists() for path in kept) == 9  # all but those of average-svm

    def test_leftovers_go_if_they_are_old_and_files_of_others_stay(
        self, stackkit: Command, kept: list[Path]
    ) -> None:
        folder = kept[0].parent
        old, fresh = (folder / f".{kept[0].name}.{number}.7" for number in (1, 2))
        foreign = [folder / "mine.npz", folder.parent / "notes.npz", folder.parent / "readme.txt"]
        for path in (old, fresh, *foreign):
            path.write_bytes(b"half")
        used(old, 2)
        (gone,) = stackkit("fits", "gc", "--older-than", "30d", "--json").document["removed"]
        assert (gone["path"], gone["reason"]) == (str(old), "left over")
        stackkit("fits", "gc", "--all")
        assert not any(path.exists() for path in kept)
        assert all(path.exists() for path in (fresh, *foreign))

    def test_a_fit_that_is_used_meanwhile_stays(
        self, stackkit: Command, kept: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from stackkit.evaluation import fit_cache as module

        def slowly(folder: Path, now: float) -> list[object]:
            used(kept[4], -1)
            return []

        monkeypatch.setattr(module, "leftovers", slowly)
        stackkit("fits", "gc", "--all")
        assert [path for path in kept if path.exists()] == [kept[4]]

    @pytest.mark.parametrize("criterion", [("--older-than", "soon"), ("--keep-size", "10 parsecs")])
    def test_amounts_that_make_no_sense_are_refused(
        self, stackkit: Command, criterion: tuple[str, str]
    ) -> None:
        outcome = stackkit("fits", "gc", *criterion)
        assert outcome.code == 2
        assert "is wanted" in outcome.error


class TestKeeping:
    def test_an_aggregator_that_is_added_costs_its_own_fits_alone(
        self, stackkit: Command, kept: list[Path], root: Path, home: Path
    ) -> None:
        for aggregator, new in (
            ("geometric-vote", 3),
            ("weighted-vote", 3 * 3 + 3),  # it is the first that learns from inner folds
            ("average-svm:fit_on=out-of-fold", 3),
            ("concat", 3),
        ):
            before = set(home.glob("fits/*/*.npz"))
            options = ["--aggregator", "average-svm,soft-vote", "--aggregator", aggregator]
            assert stackkit("evaluate", *chosen(root), *options).code == 0
            assert len(set(home.glob("fits/*/*.npz")) - before) == new

    def test_a_disk_too_small_for_fits_is_said_once_and_costs_no_figure(
        self, stackkit: Command, kept: list[Path], root: Path, home: Path
    ) -> None:
        wanted = stackkit("evaluate", *chosen(root), "--json").document["results"]
        stackkit("fits", "gc", "--all")
        shutil.rmtree(home / "fits")
        with small_disk(home / "fits", "24k"):
            outcome = stackkit("evaluate", *chosen(root), "--json")
            assert outcome.document["results"] == wanted
            said = [line for line in outcome.err.splitlines() if "cannot be kept" in line]
            assert len(said) == 1
            assert "No space left on device" in said[0]
            names = [path.name for path in home.glob("fits/*/*")]
            assert set(names) < {path.name for path in kept}
            again = stackkit("evaluate", *chosen(root), "--json")
            assert again.document["results"] == wanted

    def test_a_folder_that_may_not_be_written_is_said_once_and_costs_no_figure(
        self, stackkit: Command, kept: list[Path], root: Path, home: Path
    ) -> None:
        wanted = stackkit("evaluate", *chosen(root), "--json").document["results"]
        kept[0].unlink()
        with read_only(home / "fits"):
            outcome = stackkit("evaluate", *chosen(root), "--json")
        assert outcome.document["results"] == wanted
        assert outcome.err.count("finished fits cannot be kept") == 1
