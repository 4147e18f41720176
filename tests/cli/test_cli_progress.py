"""Progress on stderr as bars, lines or JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.commands import HISTOGRAM, Command, chosen, photographs

from stackkit.cli.progress import progress

TWO = f"{HISTOGRAM},{HISTOGRAM}:bins=2"


def events(err: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in err.splitlines()]


def test_json_events_cover_every_backbone_and_all_together(stackkit: Command, bird_folder: Path) -> None:
    outcome = stackkit("extract", *chosen(bird_folder, TWO), "--progress", "json")
    found = events(outcome.err)
    assert all(event["time"].endswith("+00:00") for event in found)
    assert any(event.get("message", "").startswith("dataset ") for event in found)
    whole = [event for event in found if event.get("task") == "all 2 backbones"]
    assert [event["done"] for event in whole if event["done"] in (0, 36)] == [0, 36]
    assert whole[-1].keys() == {
        "time", "task", "done", "total", "unit", "per_s_now", "per_s_overall", "eta_s"
    }  # fmt: skip
    assert (whole[-1]["total"], whole[-1]["unit"], whole[-1]["eta_s"]) == (36, "items", 0.0)
    assert whole[-1]["per_s_overall"] > 0
    for name in TWO.split(","):
        last = [event for event in found if event.get("task") == name][-1]
        assert (last["done"], last["total"]) == (18, 18)


def test_each_backbone_and_all_together_end_with_a_line(stackkit: Command, bird_folder: Path) -> None:
    err = stackkit("extract", *chosen(bird_folder, TWO), "--progress", "lines").err
    for task in (
        f"{HISTOGRAM}: 18 of 18, ",
        f"{HISTOGRAM}:bins=2: 18 of 18, ",
        "all 2 backbones: 36 of",
    ):
        assert sum(line.startswith(task) for line in err.splitlines()) == 1


def test_regular_lines_are_of_all_backbones_together(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackkit.cli.progress.LINE_EVERY_S", 0.0)
    root = photographs(tmp_path, a=40, b=40)
    err = stackkit("extract", *chosen(root, TWO)).err
    unfinished = [line for line in err.splitlines() if " left" in line and "backbone" in line]
    assert unfinished
    for line in unfinished:
        assert line.startswith("all 2 backbones: ")
        assert "/s now, " in line
        assert "/s overall, " in line


def test_bars_can_be_forced_without_a_terminal(stackkit: Command, bird_folder: Path) -> None:
    err = stackkit("extract", *chosen(bird_folder, TWO), "--progress", "bars").err
    assert "━" in err
    assert "36 of 36" in err


def test_images_and_bytes_are_formatted_by_their_unit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("lines") as reporter:
        reporter.start("images", 14_000_000, done=14_000_000)
        reporter.start("download", 9_000, done=9_000, unit="bytes")
    images, download = capsys.readouterr().err.splitlines()
    assert images == "images: 14,000,000 of 14,000,000, nothing to do"
    assert download == "download: 9.0 kB of 9.0 kB, nothing to do"


@pytest.mark.parametrize("command", ["run", "extract"])
def test_no_progress_leaves_the_messages(command: str, stackkit: Command, bird_folder: Path) -> None:
    outcome = stackkit(command, *chosen(bird_folder), "--progress", "none")
    assert outcome.code == 0
    assert "dataset     image-folder" in outcome.err
    assert "18 of 18" not in outcome.err


def test_an_unknown_style_is_refused(stackkit: Command, bird_folder: Path) -> None:
    assert stackkit("extract", *chosen(bird_folder), "--progress", "balloons").code == 2


@pytest.mark.parametrize("style", ["bars", "lines", "json", "none"])
def test_names_in_progress_are_literal(style: Any, capfd: pytest.CaptureFixture[str]) -> None:
    name = "plate:b:2 [bold]"
    with progress(style) as reporter:
        reporter.start(name, 2)
        reporter.advance(name, 2)
        reporter.message(f"message {name}")
    assert capfd.readouterr().err.count(name) >= (1 if style == "none" else 2)
