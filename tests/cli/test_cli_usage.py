"""What a user may type: paths in many ways, options once, commas in folders; errors in plain words."""

import os
import shutil
from pathlib import Path

import pytest
from support.commands import HISTOGRAM, Command, chosen, photographs
from support.installing import Site

ONCE = {
    "--dataset": ("mnist", "cub200"),
    "--out": ("a", "b"),
    "--cv": ("3", "4"),
    "--seed": ("0", "1"),
    "--store": ("a", "a"),
}


@pytest.mark.parametrize("option", ONCE)
def test_an_option_with_one_value_is_refused_twice(option: str, stackkit: Command) -> None:
    first, second = ONCE[option]
    outcome = stackkit("run", option, first, f"{option}={second}")
    assert outcome.code == 2
    assert outcome.error == f"{option} is given 2 times, but takes one value; keep one"


def test_a_switch_is_refused_both_ways_and_a_flag_is_not(stackkit: Command) -> None:
    both = stackkit("run", "--dataset", "mnist", "--refit", "--no-refit")
    assert (both.code, "--refit/--no-refit is given 2 times" in both.error) == (2, True)
    flags = stackkit("run", "--dataset", "mnst", "--dry-run", "--dry-run")
    assert "did you mean mnist" in flags.error


ONE_LINE = {
    "run": "--dataset is required; see `stackkit run --help`",
    "run --datset x": "unknown option --datset; did you mean --dataset?",
    "run --dataset": "--dataset needs a value; see `stackkit run --help`",
    "run --dataset mnist --strict=1": "--strict takes no value; see `stackkit run --help`",
    "run --dataset mnist --cv three": "--cv must be a whole number, got 'three'",
    "run --dataset mnist --jobs 0": "--jobs must be at least 1, got 0",
    "run --dataset mnist --device tpu": "--device must be one of cpu, gpu, got 'tpu'",
    "run --dataset mnist --split oficial": "--split must be one of official, both, got 'oficial'",
    "run --dataset mnist --holdout 20%": "--holdout must be a number, got '20%'",
    "run --dataset mnist --holdout 0.2 --split both": (
        "--split both cannot be combined with --holdout; choose one protocol"
    ),
    "run --dataset mnist --holdout 0.2 --cv 5": (
        "--holdout cannot be combined with --cv: it draws its test images at random, without folds; "
        "choose one protocol"
    ),
    "list-plugins a b": "unexpected argument b; see `stackkit list-plugins --help`",
    "new-plugin": "NAME is required; see `stackkit new-plugin --help`",
    "features verify --recompute -1": "--recompute must be at least 0, got -1",
    "check-plugin x --time-limit nan": "--time-limit must be at least 1, got nan",
    "--plugin nowhere.py run": "--plugin must be a file, but nowhere.py does not exist",
    "--no-plugins": "missing command; see `stackkit --help`",
    "featurs": "unknown command 'featurs'; did you mean features?",
}


@pytest.mark.parametrize("line", ONE_LINE)
def test_a_usage_error_is_one_line_in_plain_words_with_exit_code_2(line: str, stackkit: Command) -> None:
    outcome = stackkit(*line.split())
    assert (outcome.code, outcome.err) == (2, f"error: {ONE_LINE[line]}\n")


def test_a_tilde_is_the_home_folder_in_options_and_in_options_of_components(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell leaves both as they are: the tilde does not begin a word."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "birds", a=4, b=4)
    words = ("--out=~/r", "--no-html", "--store=~/s", "--backbones", HISTOGRAM)
    assert stackkit("run", "--dataset=image-folder:root=~/birds", *words).code == 0
    assert {each.name for each in tmp_path.iterdir()} == {"birds", "r", "s"}
    outcome = stackkit("run", "--dataset=image-folder:root=~nobody-here/birds", *words[2:])
    assert (outcome.code, "~nobody-here/birds does not exist" in outcome.error) == (3, True)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("root=/a,b=c", r"'image-folder:root=/a\,b=c'"),
        ("root=/a,limit=c", r"'image-folder:root=/a\,limit=c'"),
        ("limit=3,root=/a,b=c", r"'image-folder:limit=3,root=/a\,b=c'"),
    ],
)
def test_a_comma_before_a_key_may_belong_to_the_folder(text: str, meant: str, stackkit: Command) -> None:
    outcome = stackkit("run", f"--dataset=image-folder:{text}", "--backbones", HISTOGRAM)
    assert outcome.code == 2
    assert f"if the comma belongs to root=, write {meant}" in outcome.error


def test_too_small_classes_can_be_left_out_by_an_option_that_the_dataset_has(
    site: Site, stackkit: Command, tmp_path: Path
) -> None:
    site.install(
        "rare",
        """
        from stackkit.api import DatasetSpec, Option, Sample, hookimpl

        @hookimpl
        def stackkit_datasets():
            least = Option(name="min_per_class", default=1, help="")
            return [DatasetSpec(name="rare", summary="", factory="rare:Rare", options=(least,))]

        class Rare:
            classes, notes = tuple("abcdefghijklmn"), ()
            samples = [Sample(id=str(i), label=i % 14) for i in range(16)]

            def __init__(self, min_per_class): ...
        """,
    )
    outcome = stackkit("run", "--dataset", "rare", "--backbones", HISTOGRAM)
    assert outcome.code == 8
    assert "14 classes have fewer usable images than the 3 folds: 'c' (1)" in outcome.error
    assert "and 4 more; leave the classes out with rare:min_per_class=3, or add" in outcome.error


def test_evaluate_finds_rows_however_the_folder_is_typed(
    stackkit: Command, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs(tmp_path / "bin", a=4, b=4)
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("bin")
    monkeypatch.chdir(tmp_path)
    quick = ("--aggregator", "soft-vote", "--baseline", "none", "--cv", "2")
    assert stackkit("extract", *chosen(Path("bin"))).code == 0
    absolute = str(tmp_path / "bin")
    for folder in ("bin", "bin/", "./bin", "other/../bin", "link", absolute):
        dataset = f"image-folder:root={folder}"
        outcome = stackkit("evaluate", "--dataset", dataset, "--backbones", HISTOGRAM, *quick)
        assert outcome.code == 0, (folder, outcome.err)
    monkeypatch.chdir(tmp_path / "other")
    assert stackkit("evaluate", *chosen(Path("../bin")), *quick).code == 0
    again = stackkit("extract", *chosen(Path("../bin")), "--json").document
    assert again["computed"] == {HISTOGRAM: 0}
    assert len(list(home.glob("features/*/*.h5"))) == 1
    # Another folder is another dataset, whatever its name.
    shutil.rmtree(tmp_path / "bin" / "a")
    photographs(tmp_path / "bin", c=4)
    missing = stackkit("evaluate", *chosen(Path("../bin")))
    assert (missing.code, "run `stackkit extract` first" in missing.error) == (6, True)


@pytest.mark.parametrize("way", ["--plugin", "STACKKIT_PLUGINS"])
def test_a_plugin_named_by_hand_that_fails_is_said_though_it_is_not_used(
    way: str,
    site: Site,
    stackkit: Command,
    bird_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words: list[str] = []
    if way == "--plugin":
        (tmp_path / "mine.py").write_text("import does_not_exist")
        words = ["--plugin", str(tmp_path / "mine.py")]
    else:
        site.install("mine", "import does_not_exist")
        monkeypatch.setenv("STACKKIT_PLUGINS", "mine,stackkit-colour-histogram,colour-histogram")
    outcome = stackkit(*words, "list-plugins", "logistic")
    assert outcome.code == 0
    line = next(line for line in outcome.err.splitlines() if line.startswith("warning: plugin mine ("))
    assert "failed at import: ModuleNotFoundError: No module named 'does_not_exist'" in line
    assert line.endswith("; it is not used")
    assert os.linesep not in line
