"""`stackkit run` keeps its record and makes a page of it; `stackkit report` makes the page later."""

import json
import os
import shutil
import time
import webbrowser
from pathlib import Path

import pytest
from support.commands import Command, chosen, photographs
from support.machines import read_only, small_disk

from stackkit.experiment import page as page_making

FILES = {"report.json", "predictions.csv", "outcomes.npz", "probabilities.h5"}
WITH_PAGE = FILES | {"evidence.npz", "report.html"}


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photographs(tmp_path / "birds", ani=4, crow=4)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def kept(stackkit: Command, root: Path, home: Path) -> Path:
    """The record of a run without --out."""
    assert stackkit("run", *chosen(root)).code == 0
    (folder,) = (home / "runs").iterdir()
    return folder


def test_a_run_makes_a_page_that_another_run_replaces_whole(
    stackkit: Command, root: Path, out: Path
) -> None:
    outcome = stackkit("run", *chosen(root), "--out", out, "--html", "--json")
    assert outcome.code == 0, outcome.err
    assert f"report: {out / 'report.json'}\nreport: {out / 'report.html'}\n" in outcome.err
    assert names(out) == WITH_PAGE
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "ani" in page
    assert page.count("data:image/jpeg;base64,") >= 1
    second = out / "official-split"
    second.mkdir()
    (second / "report.json").write_text("of both protocols")
    refused = stackkit("run", *chosen(root), "--out", out)
    assert f"{out / 'report.json'} exists" in refused.error
    assert stackkit("run", *chosen(root), "--out", out, "--overwrite").code == 0
    assert names(out) == FILES, "nothing of the older run is left"


def test_a_run_without_a_folder_is_kept_and_its_page_made_later(
    stackkit: Command,
    root: Path,
    home: Path,
    kept: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert names(kept) == {"report.json", "outcomes.npz"}
    assert kept.name.endswith("Z-image-folder")
    outcome = stackkit("report")
    assert outcome.out == f"report: {kept / 'report.html'}\n", outcome.err
    first = (kept / "report.html").read_bytes()
    shutil.rmtree(root)  # images and figures are kept now
    (kept / "report.html").unlink()
    assert stackkit("report", kept.name).code == 0
    assert (kept / "report.html").read_bytes() == first
    assert stackkit("report", kept, "--refresh").error.endswith("The report is left as it is.")
    (kept / "evidence.npz").unlink()
    target = tmp_path / "elsewhere.html"
    shown = stackkit("report", kept, "--out", target)
    assert shown.code == 0
    assert "warning: The images cannot be shown: " in shown.err
    assert "images cannot be shown" in target.read_text(encoding="utf-8")
    assert not (kept / "evidence.npz").exists(), "the images may be there the next time"
    with monkeypatch.context() as patch:
        patch.setattr(webbrowser, "open", lambda address: False)
        shown = stackkit("report", kept, "--out", target, "--overwrite", "--open")
    assert "no web browser could be started" in shown.err
    assert f"{target} exists; choose another --out" in stackkit("report", "--out", target).error


def test_only_the_page_is_lost_when_ctrl_c_stops_it(
    stackkit: Command, root: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(page_making, "gather", pressed)
        outcome = stackkit("run", *chosen(root), "--out", out, "--html", "--json")
    assert outcome.code == 130
    assert json.loads(outcome.out)["results"], "the result is shown all the same"
    last = outcome.err.splitlines()[-1]
    assert last.startswith("interrupted; everything but report.html is written, and ")
    assert last.endswith(f"`stackkit report {out}` makes it")
    assert names(out) == FILES
    assert stackkit("report", out).code == 0
    assert names(out) == WITH_PAGE


def test_a_full_disk_costs_only_the_page(stackkit: Command, root: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "100k") as disk:
        outcome = stackkit("run", *chosen(root), "--out", disk, "--html", "--json")
        assert outcome.document["results"]
        (line,) = (line for line in outcome.err.splitlines() if "report.html is not made" in line)
        assert line.startswith("warning: ")
        assert f"`stackkit report {disk}` makes it" in line
        assert FILES <= names(disk) <= WITH_PAGE - {"report.html"}


def test_a_record_that_cannot_be_kept_is_a_warning(
    stackkit: Command, root: Path, home: Path, tmp_path: Path
) -> None:
    (home / "runs").write_text("in the way")
    outcome = stackkit("run", *chosen(root), "--json")
    assert outcome.document["results"]
    assert "warning: no record of this run is kept (" in outcome.err
    assert "no run is kept in" in stackkit("report").error


def test_a_folder_that_holds_no_run_or_cannot_be_written_is_named(
    stackkit: Command, root: Path, kept: Path, tmp_path: Path
) -> None:
    assert f"{tmp_path} holds no report.json" in stackkit("report", tmp_path).error
    assert "\n| linear-svm | " in stackkit("report", kept / "report.json", "--format", "markdown").out
    table = tmp_path / "table.tex"
    assert stackkit("report", "--format", "latex", "--out", table).out == f"report: {table}\n"
    assert "linear-svm" in table.read_text(encoding="utf-8")
    with read_only(kept):
        refused = stackkit("report")
        assert refused.code == 2
        assert "report.html cannot be written (" in refused.error
        assert "choose another file with `stackkit report --out FILE`" in refused.error
        assert stackkit("report", "--out", tmp_path / "page.html").code == 0
    assert names(kept) == {"report.json", "outcomes.npz"}
    (kept / "outcomes.npz").write_bytes(b"half")
    assert "outcomes.npz is damaged; delete it and repeat the run" in stackkit("report").error
    (kept / "outcomes.npz").unlink()
    assert "outcomes.npz is missing" in stackkit("report").error
    for option in ("--open", "--refresh"):
        assert f"{option} is about the page" in stackkit("report", "--format", "csv", option).error
    refused = stackkit("report", kept, "--out", tmp_path, "--overwrite")
    assert refused.error.startswith(f"--out is a file to write, and {tmp_path} is a folder")


def test_kept_runs_are_listed_and_deleted_when_asked(stackkit: Command, home: Path, kept: Path) -> None:
    for number in (2, 3, 4):
        shutil.copytree(kept, kept.with_name(f"older-{number}"))
        then = time.time() - number * 86_400
        os.utime(kept.with_name(f"older-{number}") / "report.json", (then, then))
    (home / "runs" / "killed").mkdir()
    os.utime(home / "runs" / "killed", (then, then))
    listed = stackkit("runs", "ls", "--json").document
    assert [Path(each["path"]).name for each in listed["runs"]] == [
        kept.name,
        *(f"older-{number}" for number in (2, 3, 4)),
    ]
    assert listed["runs"][0]["dataset"].startswith("image-folder:root=")
    lines = stackkit("runs", "ls").out.splitlines()
    assert kept.name in "".join(lines)
    assert lines[-1].startswith(f"{home / 'runs'}: 4 runs, ")
    assert "choose what to delete" in stackkit("runs", "gc").error
    assert "--keep must be at least 0, got -1" in stackkit("runs", "gc", "--keep", "-1").error
    trial = stackkit("runs", "gc", "--keep", "1", "--dry-run")
    assert trial.out.splitlines()[-1].startswith("would delete 4 runs, ")
    assert stackkit("runs", "gc", "--older-than", "70h").code == 0
    assert names(home / "runs") == {kept.name, "older-2"}
    removed = stackkit("runs", "gc", "--keep", "0", "--json").document["removed"]
    assert removed == listed["runs"][:2], "of deleted runs, the dataset is still said"
    assert names(home / "runs") == set()
