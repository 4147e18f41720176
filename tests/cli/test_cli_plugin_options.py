"""`--plugin`, `--plugins-dir`, `--no-plugins`, and the warnings that `list-plugins` shows."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from support.commands import HISTOGRAM, Command, chosen, in_a_process
from support.installing import Site

from stackkit.host.host import SLOW_MS

MINE = """
    from stackkit.api import AggregatorSpec, BackboneSpec, LearnerSpec, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [BackboneSpec(name="means", summary="mean colours", factory="mine:Means")]

    @hookimpl
    def stackkit_learners():
        return [LearnerSpec(name="nearest", summary="nearest neighbour", factory="mine:nearest")]

    class Means:
        image_size, feature_dim, revision, trained = 8, 3, "1", True
        def extract(self, images):
            return images.mean(axis=(1, 2)).astype("float32")

    def nearest():
        from sklearn.neighbors import KNeighborsClassifier
        return KNeighborsClassifier(3)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "mine.py"
    file.write_text(dedent(MINE), encoding="utf-8")
    yield file
    sys.modules.pop("mine", None)


def plugin(stackkit: Command, name: str, *before: str | Path) -> dict[str, object]:
    listed = stackkit(*before, "list-plugins", "--json").document["plugins"]
    (found,) = (record for record in listed if record["name"] == name)
    return dict(found)


def test_a_run_uses_backbone_and_learner_of_a_file(
    stackkit: Command, mine: Path, bird_folder: Path
) -> None:
    run = ("run", *chosen(bird_folder, "means"), "--learner", "nearest", "--jobs", "2", "--json")
    document = stackkit("--plugin", mine, *run).document
    (backbone,) = (part for part in document["components"] if part["kind"] == "backbone")
    assert (backbone["name"], backbone["distribution"]) == ("mine/means", str(mine))
    assert "STACKKIT_PLUGIN_FILES" not in os.environ, "the option is valid for one command"
    assert "unknown backbone 'means'" in stackkit(*run).error


def test_a_path_with_the_path_separator_is_refused(stackkit: Command, tmp_path: Path) -> None:
    file = tmp_path / "a:b" / "mine.py"
    file.parent.mkdir()
    file.write_text(dedent(MINE), encoding="utf-8")
    outcome = stackkit("--plugin", file, "list-plugins")
    assert outcome.code == 2
    assert "use --plugins-dir" in " ".join(outcome.err.split())


def test_a_changed_file_recomputes_its_features_and_fits(
    stackkit: Command, mine: Path, bird_folder: Path
) -> None:
    run = ("--plugin", mine, "run", *chosen(bird_folder, "means"), "--learner", "nearest", "--json")
    assert stackkit(*run).document["extraction"]["means"]["computed"] == 18
    assert stackkit(*run).document["extraction"]["means"]["computed"] == 0
    mine.write_text(mine.read_text().replace("images.mean", "images.max"))
    assert stackkit(*run).document["extraction"]["means"]["computed"] == 18


def test_several_files_and_a_folder_in_one_command(site: Site, mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(mine.read_text().replace("mine:", "other:"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "third.py").write_text("import nowhere_at_all")
    options = ("--plugin", mine, "--plugin", other, "--plugins-dir", tmp_path / "folder")
    listing = in_a_process(*options, "list-plugins", "--all").out
    assert re.search(rf"^  mine +\w+ +{re.escape(str(mine))} ", listing, re.M)
    assert re.search(rf"^  other +\w+ +{re.escape(str(other))} ", listing, re.M)
    assert "other/means" in listing
    assert "failed at import: ModuleNotFoundError: No module named 'nowhere_at_all'" in listing


def test_no_plugins_keeps_files_given_with_plugin(stackkit: Command, mine: Path) -> None:
    both = stackkit("--no-plugins", "--plugin", mine, "list-plugins", "--json").document["plugins"]
    assert [p["name"] for p in both if p["distribution"] != "stackkit"] == ["mine"]


def test_no_plugins_ignores_files_in_environment_variables(
    stackkit: Command, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(mine))
    monkeypatch.setenv("STACKKIT_PLUGINS_DIR", str(mine.parent))
    listed = stackkit("--no-plugins", "list-plugins", "--json").document["plugins"]
    assert {record["distribution"] for record in listed} == {"stackkit"}


@pytest.mark.parametrize("option", ["--plugin", "--plugins-dir"])
def test_a_file_that_does_not_exist_is_a_usage_error(
    stackkit: Command, tmp_path: Path, option: str
) -> None:
    outcome = stackkit(option, tmp_path / "gone", "list-plugins")
    assert outcome.code == 2
    assert "does not exist" in " ".join(outcome.err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list-plugins", "--plugin", "F.py"), "stackkit --plugin FILE list-plugins ..."),
        (("run", "--dataset", "mnist", "--plugin=F.py"), "stackkit --plugin FILE run ..."),
        (("run", "--plugins-dir", "D"), "stackkit --plugins-dir DIR run ..."),
        (("features", "ls", "--no-plugins"), "stackkit --no-plugins features ls ..."),
        (("extract", "--disable-plugin", "acme"), "stackkit --disable-plugin NAME extract ..."),
        (("features", "--debug", "ls"), "stackkit --debug features ..."),
        (("doctor", "--debug"), "stackkit --debug doctor ..."),
        (("doctor", "--version"), "stackkit --version doctor ..."),
    ],
)
def test_an_option_of_stackkit_itself_after_a_command_is_refused_with_its_place(
    stackkit: Command, words: tuple[str, ...], said: str
) -> None:
    outcome = stackkit(*words)
    assert outcome.code == 2
    said_at_all = " ".join(outcome.err.split())
    assert f"must be written before the command: {said}" in said_at_all
    assert "Did you mean" not in said_at_all


def test_an_unknown_option_is_refused(stackkit: Command) -> None:
    outcome = stackkit("run", "--splitt", "official")
    assert outcome.code == 2
    assert "unknown option --splitt; did you mean --split" in outcome.error


def test_a_plugin_with_warnings_is_listed_with_them(site: Site, stackkit: Command) -> None:
    site.install("chatty", f"print('hello')\nimport os; os.environ['CHATTY'] = 'yes'\n{dedent(MINE)}")
    lines = stackkit("list-plugins").out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("  chatty "))
    assert lines[place].split() == ["chatty", "warned", "chatty", "1.0"]
    assert [line.strip() for line in lines[place + 1 : place + 3]] == [
        "at import: changed os.environ['CHATTY'] (restored)",
        "at import: printed 'hello'",
    ]


def test_json_has_the_same_content(site: Site, stackkit: Command) -> None:
    site.install("chatty", "print('hello')")
    record = plugin(stackkit, "chatty")
    assert (record["status"], record["distribution"], record["error"]) == ("warned", "chatty", "")
    assert record["warnings"][0] == {"stage": "import", "reason": "printed 'hello'"}
    assert record["slow"] == (record["import_ms"] > SLOW_MS)
    assert record["heavy"] == []


def test_timings_show_slow_imports_and_their_heavy_modules(site: Site) -> None:
    site.install("slow", "import time; time.sleep(0.3)\nimport numpy")
    site.install("quick", "")
    assert "imports" not in in_a_process("list-plugins").out.splitlines()
    timings = in_a_process("list-plugins", "--timings").out.split("\nimports\n")[1].splitlines()
    (slow,) = (line for line in timings if line.startswith("  slow "))
    assert slow.endswith("ms  slow; imports numpy")
    assert timings[0] == slow, "the slowest comes first"
    (quick,) = (line for line in timings if line.startswith("  quick "))
    assert quick.endswith("ms")


def test_strict_ends_at_the_first_failure(
    site: Site, stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("broken", "import nowhere_at_all")
    monkeypatch.setenv("STACKKIT_STRICT", "1")
    outcome = stackkit("list-plugins")
    assert outcome.code == 4
    assert outcome.error.startswith("plugin broken (broken 1.0): import: ModuleNotFoundError")


def test_a_run_with_a_file_that_fails_to_load_reports_its_error(
    stackkit: Command, mine: Path, bird_folder: Path
) -> None:
    mine.write_text("import nowhere_at_all")
    outcome = stackkit("--plugin", mine, "run", *chosen(bird_folder, "means"))
    assert outcome.code == 4
    assert outcome.error.startswith(f"unknown backbone 'means': plugin mine ({mine} ")
    assert outcome.error.endswith(
        "failed at import: ModuleNotFoundError: No module named 'nowhere_at_all'"
    )


def test_a_backbone_of_a_plugin_that_failed_is_refused_with_the_plugins_error(
    site: Site, stackkit: Command, bird_folder: Path
) -> None:
    site.install("eptypo", "from stackkit.api import Option\nOption(name='class', default=1, help='')")
    outcome = stackkit("run", *chosen(bird_folder, "eptypo"))
    assert outcome.code == 4
    assert outcome.error.startswith(
        "unknown backbone 'eptypo': plugin eptypo (eptypo 1.0) failed at import: "
        "ValueError: option name must be letters, "
    )
    assert "did you mean" not in outcome.error


def test_an_option_that_the_factory_has_but_not_the_spec_is_reported_in_a_run(
    stackkit: Command, mine: Path, bird_folder: Path
) -> None:
    signature = "def __init__(self, bins): pass\n    def extract(self"
    mine.write_text(mine.read_text().replace("def extract(self", signature))
    outcome = stackkit("--plugin", mine, "run", *chosen(bird_folder, "means"))
    assert outcome.code == 4
    assert outcome.error.startswith(f"mine/means ({mine} ")
    assert outcome.error.endswith("not an option of means; add Option(name='bins', ...) to its spec")


def loaded(stackkit: Command, *options: str | Path) -> set[str]:
    records = stackkit(*options, "list-plugins", "--json").document["plugins"]
    return {record["name"] for record in records if record["distribution"] != "stackkit"}


def test_disable_plugin_leaves_out_third_party_plugins_wherever_they_come_from(
    site: Site, stackkit: Command, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("broken", "import nowhere_at_all")
    everything = {HISTOGRAM, "broken", "mine"}
    assert loaded(stackkit, "--plugin", mine) == everything
    assert loaded(stackkit, "--plugin", mine, "--disable-plugin", "broken") == {HISTOGRAM, "mine"}
    twice = ("--disable-plugin", "broken", "--disable-plugin", "mine")
    assert loaded(stackkit, "--plugin", mine, *twice) == {HISTOGRAM}
    assert loaded(stackkit, "--plugins-dir", mine.parent, *twice) == {HISTOGRAM}
    assert loaded(stackkit, "--no-plugins", "--disable-plugin", "broken") == set()
    monkeypatch.setenv("STACKKIT_PLUGINS", f"broken,{HISTOGRAM}")
    assert loaded(stackkit, "--disable-plugin", "broken") == {HISTOGRAM}
    # The variable, and what the option adds to it.
    monkeypatch.delenv("STACKKIT_PLUGINS")
    monkeypatch.setenv("STACKKIT_DISABLED_PLUGINS", HISTOGRAM)
    assert loaded(stackkit, "--disable-plugin", "broken") == set()


def test_an_unknown_name_to_disable_is_refused_with_the_names_there_are(
    site: Site, stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("acme", "")
    for name, said in (
        ("colour-histgram", f"is not a plugin; did you mean {HISTOGRAM}?"),
        ("logistic", "is a plugin of stackkit itself"),
        ("xyz", "is not a plugin"),
    ):
        outcome = stackkit("--disable-plugin", name, "list-plugins")
        assert outcome.code == 2
        message = " ".join(outcome.err.replace("│", " ").split())
        assert f"'{name}' {said} (third-party plugins: acme, {HISTOGRAM})" in message
    monkeypatch.setenv("STACKKIT_DISABLED_PLUGINS", "xyz")  # a variable may outlive an environment
    assert "STACKKIT_DISABLED_PLUGINS lists 'xyz', but no plugin" in stackkit("list-plugins").err
