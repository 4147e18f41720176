"""The report: a JSON document, written completely or not at all, and a table."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from stackkit.api.dataset import FailedImage
from stackkit.api.errors import UsageError
from stackkit.evaluation.metrics import Result, ResultKind
from stackkit.evaluation.overlaps import ConflictingLabels, Duplicates, Overlap
from stackkit.evaluation.protocol import Protocol, protocol_of
from stackkit.recipe import Recipe
from stackkit.report.report import FILE_NAME, FoldSize, Report, prepare, write
from stackkit.report.table import MAX_FAILURES, show

BACKBONES = ("efficientnet-lite0:weights=shared", "inception-v3:size=299,pooling=max", "vgg19")
LONG = "average-svm:fit_on=out-of-fold,C=0.25,max_iter=20000"


def result(
    name: str,
    kind: ResultKind,
    folds: tuple[float, ...],
    *backbones: str,
    untrained: bool = False,
    gain: tuple[float, float] | None = None,
) -> Result:
    mean = sum(folds) / len(folds)
    return Result(
        name=name,
        kind=kind,
        backbones=backbones,
        untrained=untrained,
        fold_accuracy=folds,
        accuracy=mean,
        spread=0.0125 if len(folds) > 1 else None,
        interval_95=(mean - 0.03, mean + 0.02),
        balanced_accuracy=mean - 0.1,
        converged=True,
        gain_interval_95=gain,
    )


DUPLICATES = Duplicates(
    contents=2,
    images=5,
    in_train_and_test=Overlap(sets=1, test_images=2, examples=({"test": "a", "train": "b"},)),
    under_several_labels=ConflictingLabels(contents=1, images=2, examples=({"a": "Ani", "b": "Bo"},)),
)

RESULTS = (
    *(result("linear-svm", "baseline", (0.5, 0.6, 0.7), name, gain=(-0.2, 0)) for name in BACKBONES),
    result("logistic:C=10", "learner", (0.61, 0.71, 0.81), BACKBONES[0]),
    *(
        result("logistic:C=10", "learner", (0.51, 0.61, 0.71), name, gain=(-0.2, 0.1))
        for name in BACKBONES[1:]
    ),
    result(LONG, "aggregator", (0.65, 0.75, 0.85), *BACKBONES, gain=(0.01, 0.07)),
    result("soft-vote", "aggregator", (0.6, 0.7, 0.8), *BACKBONES, gain=(-0.03, 0.01)),
)


def report(results: tuple[Result, ...] = RESULTS, *, failed: int = 2, **changes: Any) -> Report:
    folds = len(results[0].fold_accuracy)
    fields: dict[str, Any] = {
        "stackkit": "0.1.0",
        "created": "2026-01-02T03:04:05+00:00",
        "dataset": "cub200:root=/data/CUB_200_2011,limit=12",
        "protocol": Protocol(kind="cross-validation", folds=folds, shuffle=False, seed=0),
        "classes": ("Ani", "Bobolink"),
        "n_images": 1234,
        "class_sizes": (617, 617),
        "folds": tuple(FoldSize(train=2, test=1) for _ in range(folds)),
        "groups": None,
        "duplicates": DUPLICATES,
        "failed_images": tuple(FailedImage(id=f"bird-{i:03}", reason="empty") for i in range(failed)),
        "results": results,
        "components": ({"name": "logistic/logistic", "options": {"C": 10.0}},),
        "extraction": {"vgg19": {"computed": 7, "reused": 0}},
        "versions": {"python": "3.11.7"},
        "timings": {"total_s": 1.5},
        "notes": ("A note [not markup].",),
    }
    return Report(**{**fields, **changes})


def shown(report: Report, *, width: int = 80, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, no_color=True)
    show(report, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def row(text: str, name: str) -> list[str]:
    """The words of the first line that begins with a name."""
    return next(line for line in rows(text) if line.startswith(name)).split()


def rows(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_the_document_has_every_documented_key():
    document = report().document()
    assert document.keys() >= {
        "dataset",
        "protocol",
        "classes",
        "n_images",
        "failed_images",
        "results",
        "components",
        "timings",
    }
    for entry in document["results"]:
        assert entry.keys() >= {"name", "kind", "backbones", "fold_accuracy", "accuracy"}
    assert {entry["kind"] for entry in document["results"]} == {"baseline", "learner", "aggregator"}


def test_the_document_holds_all_digits():
    document = json.loads(json.dumps(report().document()))
    assert [entry["accuracy"] for entry in document["results"]] == [r.accuracy for r in RESULTS]
    assert document["results"][3]["fold_accuracy"] == [0.61, 0.71, 0.81]
    assert document["results"][6]["backbones"] == list(BACKBONES)
    assert document["failed_images"][1] == {"id": "bird-001", "reason": "empty"}
    assert document["n_images"] == 1234
    assert document["groups"] is None
    assert document["duplicates"]["in_train_and_test"]["examples"] == [{"test": "a", "train": "b"}]


def test_the_document_says_untrained_if_any_result_is():
    assert report().document()["untrained"] is False
    random = result("logistic", "learner", (0.1,), "vgg19", untrained=True)
    assert report((random,)).document()["untrained"] is True


def test_the_document_explains_the_protocol():
    protocol = report().document()["protocol"]
    assert protocol["kind"] == "cross-validation"
    assert protocol["title"] == "3-fold stratified cross-validation, not shuffled"
    assert "official split" in protocol["meaning"]
    shuffled = Protocol(kind="cross-validation", folds=5, shuffle=True, seed=3)
    assert shuffled.title == "5-fold stratified cross-validation, shuffled, seed 3"
    assert Protocol(kind="official-split", folds=1, shuffle=False, seed=0).title == "official split"


def test_writing_and_reading_gives_the_document_back(tmp_path):
    target = write(report(), tmp_path)
    assert target == tmp_path / FILE_NAME
    assert json.loads(target.read_text("utf-8")) == report().document()
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_a_complete_report_replaces_the_old_one_at_once(tmp_path, monkeypatch):
    """Until the rename, readers see the old report; afterwards, the complete new one."""
    target = tmp_path / FILE_NAME
    target.write_text("old")
    seen: list[tuple[str, Any]] = []
    replace = Path.replace

    def watched(aside: Path, onto: Path) -> Path:
        seen.append((target.read_text(), json.loads(aside.read_text("utf-8"))))
        return replace(aside, onto)

    monkeypatch.setattr(Path, "replace", watched)
    write(report(), tmp_path)
    assert seen == [("old", report().document())]


def test_a_report_that_cannot_be_serialised_leaves_the_old_one(tmp_path):
    (tmp_path / FILE_NAME).write_text("old")
    with pytest.raises(TypeError):
        write(report(versions={"python": object()}), tmp_path)
    assert (tmp_path / FILE_NAME).read_text() == "old"


def test_a_removed_folder_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"report\.json cannot be written: .*; the features are kept"):
        write(report(), tmp_path / "gone")


def test_a_report_that_appeared_during_a_run_is_not_replaced(tmp_path):
    """Without locks on the file system, this is what keeps two runs apart."""
    write(report(), tmp_path, overwrite=False)
    before = (tmp_path / FILE_NAME).read_text()
    with pytest.raises(UsageError, match=r"another run has written .*report\.json in the meantime"):
        write(report(dataset="another"), tmp_path, overwrite=False)
    assert (tmp_path / FILE_NAME).read_text() == before


def test_preparing_makes_the_folder_and_leaves_nothing_in_it(tmp_path):
    folder = tmp_path / "deep" / "down"
    prepare(folder, overwrite=False)
    assert list(folder.iterdir()) == []


def test_preparing_refuses_to_overwrite(tmp_path):
    write(report(), tmp_path)
    with pytest.raises(UsageError, match=r"report\.json exists; .*--overwrite"):
        prepare(tmp_path, overwrite=False)
    prepare(tmp_path, overwrite=True)
    assert (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("below", ["", "more"])
def test_preparing_refuses_a_file_in_place_of_the_folder(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot be written .*choose another folder"):
        prepare(tmp_path / "file" / below, overwrite=False)


def test_preparing_refuses_an_unwritable_folder(tmp_path):
    if os.geteuid() == 0:
        folder = Path("/proc/stackkit")  # where even root cannot write
    else:
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
    with pytest.raises(UsageError, match=r"cannot be written .*choose another folder"):
        prepare(folder, overwrite=False)


def test_in_a_pipe_names_do_not_wrap():
    text = shown(report())
    assert row(text, LONG)[1:3] == ["all", "3"]
    on = [line.split()[1] for line in rows(text) if line.startswith("linear-svm")]
    assert on == list(BACKBONES)
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("width", "figures"),
    [
        (130, "fold 1 fold 2 fold 3 mean [95 %] sd gain [95 %]"),
        (90, "mean [95 %] sd gain [95 %]"),
        (60, "mean [95 %]"),
        (40, "mean"),
        (30, "mean"),
    ],
)
def test_narrow_terminals_lose_folds_first_and_never_a_name(width: int, figures: str):
    lines = Text.from_ansi(shown(report(), terminal=True, width=width)).plain.splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    heading = next(line for line in lines if "classifier" in line)
    assert heading.split()[2:] == figures.split()
    on, mean = heading.index(" on ") + 1, heading.index(figures[:4])
    classifiers = "".join(line[:on].strip() for line in lines)
    backbones = "".join(line[on:mean].strip() for line in lines)
    assert LONG in classifiers
    assert all(name in backbones for name in BACKBONES)
    hidden = "".join(line for line in lines).partition("(too narrow for:")[2]
    assert ("fold 1, fold 2" in " ".join(hidden.split())) == (width < 100)


def test_five_folds_on_80_columns_do_not_break_short_names():
    results = (
        *(result("logistic", "learner", (0.5,) * 5, name) for name in ("efficientnet-lite0", "vgg19")),
        result("average-svm", "aggregator", (0.5,) * 5, "efficientnet-lite0", "vgg19"),
    )
    text = Text.from_ansi(shown(report(results), terminal=True)).plain
    assert row(text, "logistic")[:2] == ["logistic", "efficientnet-lite0"]
    assert "(too narrow for: fold 1, fold 2, fold 3, fold 4, fold 5)" in text


def test_names_are_printed_literally_and_wide_ones_stay_aligned():
    names = ("plate:b:2", "日本の鳥", "[bold]x", "a\x1b[2Jb", "r\u202el")
    results = tuple(result(name, "learner", (0.5,), f"net{i}") for i, name in enumerate(names))
    text = shown(report(results, dataset="x:root=/:smile:/[red]"))
    assert "x:root=/:smile:/[red]" in text
    for name in ("plate:b:2", "日本の鳥", "[bold]x", r"a\x1b[2Jb", r"r\u202el"):
        assert name in text
    ends = [cell_len(line[: line.index(" net")]) for line in text.splitlines() if " net" in line]
    assert len(set(ends)) == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_other_encodings_get_replacements(encoding: str):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    results = (result("日本", "learner", (0.5,), "vgg19"),)
    show(report(results), Console(file=file, width=80))
    file.flush()
    assert b"\\u65e5\\u672c" in file.buffer.getvalue()


def test_rows_show_folds_mean_spread_and_gain_with_both_ends_of_their_intervals():
    text = shown(report())
    soft_vote = "60.0 70.0 80.0 70.0 [67.0, 72.0] 1.2 -1.0 [-3.0, +1.0]"
    assert row(text, "soft-vote")[3:] == soft_vote.split()
    assert row(text, LONG)[3:] == [
        "65.0",
        "75.0",
        "85.0",
        "75.0",
        "[72.0,",
        "77.0]",
        "1.2",
        "+4.0",
        "[+1.0,",
        "+7.0]",
    ]
    assert row(text, "classifier")[-6:] == ["[95", "%]", "sd", "gain", "[95", "%]"]


def test_with_classes_of_different_sizes_balanced_accuracy_stands_beside_accuracy():
    unequal = report(class_sizes=(1230, 4))
    assert row(shown(unequal), "soft-vote")[6:11] == ["70.0", "[67.0,", "72.0]", "1.2", "60.0"]
    assert "balanced" in row(shown(unequal), "classifier")
    assert "balanced" not in row(shown(report()), "classifier")
    assert unequal.document()["largest_class"] == {"name": "Ani", "share": 1230 / 1234}
    assert unequal.document()["class_sizes"] == [1230, 4]


def test_one_test_part_has_no_standard_deviation():
    single = report((result("logistic", "learner", (0.5,), "vgg19"),))
    assert "sd" not in row(shown(single), "classifier")
    assert single.document()["results"][0]["spread"] is None


def test_the_protocol_has_all_settings_to_repeat_the_run():
    recipe = Recipe(dataset="mnist", cv=4, shuffle=True, seed=3, inner_cv=5, refit=False, jobs=2)
    document = report(protocol=protocol_of(recipe, None)).document()["protocol"]
    expected = {"kind": "cross-validation", "folds": 4, "repeats": 1, "shuffle": True, "seed": 3}
    expected |= {"inner_cv": 5, "refit": False, "jobs": 2}
    assert {key: document[key] for key in expected} == expected
    official = report(protocol=protocol_of(replace(recipe, split="official"), None)).document()[
        "protocol"
    ]
    assert (official["kind"], official["folds"], official["inner_cv"]) == ("official-split", 1, 5)


def test_gains_are_relative_to_the_best_single_backbone():
    text = shown(report())
    best = [line for line in rows(text) if line.endswith("best")]
    assert [line.split()[:2] for line in best] == [["logistic:C=10", BACKBONES[0]]]


@pytest.mark.parametrize("less", [0.0, 1e-9, 0.0004, 0.00049])
def test_a_tiny_loss_is_shown_as_plus_zero(less):
    results = (
        result("logistic", "learner", (0.5,), "a"),
        result("soft-vote", "aggregator", (0.5 - less,), "a", "b", gain=(-0.01, -less / 2)),
    )
    text = shown(report(results))
    assert "-0.0" not in text
    assert row(text, "soft-vote")[-3:] == ["+0.0", "[-1.0,", "+0.0]"]


@pytest.mark.parametrize(("folds", "columns"), [(1, 1), (5, 5), (6, 0), (50, 0)])
def test_up_to_five_folds_have_columns(folds, columns):
    results = (result("logistic", "learner", (0.5,) * folds, "vgg19"),)
    cells = row(shown(report(results)), "logistic")
    assert len(cells) == 2 + columns + 3 + (folds > 1) + 1


def test_the_one_fold_of_a_split_is_headed_test():
    results = (result("logistic", "learner", (0.5,), "vgg19"),)
    assert "test" in row(shown(report(results)), "classifier")


def test_an_untrained_aggregator_is_marked_in_its_row():
    results = (
        result("logistic", "learner", (0.1,), "vgg19 (untrained)", untrained=True),
        result("soft-vote", "aggregator", (0.1,), "vgg19 (untrained)", "vgg16", untrained=True),
    )
    text = shown(report(results))
    assert "vgg19 (untrained)" in text
    assert "all 2 (untrained)" in text


def test_notes_and_few_failures_are_shown_in_full():
    text = shown(report())
    assert "- A note [not markup]." in text
    assert "failed: bird-000: empty\nfailed: bird-001: empty\n" in text
    assert "more" not in text


def test_many_failures_are_cut_off_with_a_count():
    text = shown(report(failed=MAX_FAILURES + 280))
    assert text.count("failed: ") == MAX_FAILURES
    assert text.endswith("... and 280 more; report.json (--out) lists all\n")


def test_the_title_shows_dataset_size_and_protocol():
    title = shown(report()).splitlines()[1]
    assert title == (
        "cub200:root=/data/CUB_200_2011,limit=12: 1,234 images, 2 classes; "
        "3-fold stratified cross-validation, not shuffled; accuracy in percent"
    )
