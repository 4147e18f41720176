"""`stackkit new-plugin`: what it writes can be installed, passes its own test, and runs."""

import csv
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from support.commands import Command
from support.environments import Shell, create_environment
from support.installing import REPOSITORY, Site

from stackkit import __version__
from stackkit.api.specs import Kind
from stackkit.scaffold import project

KINDS: tuple[Kind, ...] = get_args(Kind)
SORTS = (*KINDS, "all")
"""What new distributions offer: a component of one kind, or one of each kind."""
EACH = [*(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS), "all"]
"""One component of each kind has every template in it, so it stands for the others in quick runs."""
LONGEST = "leaf-shapes-and-veins-of-many-young-oaks"
STACKKIT_ITSELF = REPOSITORY / "pyproject.toml"


def kinds_of(sort: str) -> list[Kind]:
    return list(KINDS) if sort == "all" else project.kinds([sort])


def plugin_of(kind: str) -> str:
    return f"leaf-{kind}"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new distribution of each sort."""
    folder = tmp_path_factory.mktemp("generated")
    for sort in SORTS:
        project.write(project.names(plugin_of(sort)), kinds_of(sort), folder)
    return folder


@pytest.fixture(scope="module")
def shell(generated: Path, bird_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A fresh environment with stackkit and all of them; `birds` has class folders, and a list.

    Of stackkit there is a wheel alone, and no index: pip accepts it for the requirement of each.
    """
    environment = tmp_path_factory.mktemp("environment")
    create_environment(environment)
    work = tmp_path_factory.mktemp("work")
    shutil.copytree(bird_folder, work / "birds")
    images = sorted((work / "birds").rglob("*.jpg"))
    rows = [(image.relative_to(work / "birds").as_posix(), image.parent.name) for image in images]
    with (work / "birds" / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label"), *rows])
    shell = Shell(work, environment, home=tmp_path_factory.mktemp("new-plugin-home"))
    folders = [str(generated / f"stackkit-{plugin_of(sort)}") for sort in SORTS]
    wheels = work / "wheels"
    shell.run(f"pip wheel --no-index --no-build-isolation --no-deps -w {wheels} {REPOSITORY}")
    # Forced, because the environment sees the stackkit that runs this test.
    shell.run(f"pip install --no-index --no-deps --force-reinstall {wheels}/*.whl")
    shell.run(f"pip install --no-index --no-build-isolation {' '.join(folders)}")
    return shell


def test_its_readme_and_ci_say_where_stackkit_comes_from(generated: Path) -> None:
    folder = generated / f"stackkit-{plugin_of('all')}"
    readme = " ".join((folder / "README.md").read_text().split())
    assert f"pip install stackkit-{__version__}-py3-none-any.whl" in readme
    steps = (folder / ".github/workflows/test.yml").read_text()
    installs = [line for line in steps.splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert all('pip install "$STACKKIT"' in line for line in installs)


@pytest.mark.parametrize("sort", EACH)
def test_its_own_test_passes_when_it_is_installed(sort: str, generated: Path, shell: Shell) -> None:
    printed = shell.run(
        f"cd {generated}/stackkit-{plugin_of(sort)} && python -m pytest -p no:cacheprovider"
    ).stdout
    assert re.search(r"\b\d\d passed", printed)
    assert not re.search(r"\d (failed|error|xfailed)", printed)


def test_list_plugins_shows_all_of_them_as_working(shell: Shell) -> None:
    listed = json.loads(shell.run("stackkit list-plugins --json").stdout)
    states = {plugin["name"]: plugin["status"] for plugin in listed["plugins"]}
    assert {states[plugin_of(sort)] for sort in SORTS} == {"ok"}
    origins = {entry["qualified_name"]: entry["distribution"] for entry in listed["components"]}
    for name in map(plugin_of, KINDS):
        assert origins[f"{name}/{name}"] == f"stackkit-{name}"
    for kind in KINDS:
        assert origins[f"leaf-all/leaf-all-{kind}"] == "stackkit-leaf-all"


@pytest.mark.parametrize(
    "sort",
    ["learner", *(pytest.param(each, marks=pytest.mark.slow) for each in SORTS if each != "learner")],
)
def test_the_commands_in_its_readme_work(sort: str, generated: Path, shell: Shell) -> None:
    page = (generated / f"stackkit-{plugin_of(sort)}" / "README.md").read_text()
    run, check = (line for line in page.splitlines() if line.startswith("stackkit "))
    shell.run(run.replace("FOLDER", "birds").replace("'efficientnet-lite*'", plugin_of("backbone")))
    tried = shell.run(f"cd {generated}/stackkit-{plugin_of(sort)} && {check}").stdout
    assert " 0 failed" in tried
    for kind in kinds_of(sort):
        assert f"passed   {kind}:" in tried


@pytest.mark.parametrize("sort", EACH)
def test_a_run_with_it_gives_a_report(sort: str, shell: Shell) -> None:
    chosen = {
        "dataset": "image-folder:root=birds",
        "backbone": f"{plugin_of('backbone')}:bins=8",
        "learner": "logistic",
        "aggregator": "soft-vote",
        "executor": "local",
    }
    mine = kinds_of(sort)
    for kind in mine:
        chosen[kind] = plugin_of(kind)
    if "dataset" in mine:
        chosen["dataset"] += ":root=birds"
    report = json.loads(
        shell.run(
            f"stackkit run --dataset {chosen['dataset']} --backbones {chosen['backbone']} --json"
            f" --learner {chosen['learner']} --aggregator {chosen['aggregator']} --baseline none"
            f" --executor {chosen['executor']}"
        ).stdout
    )
    used = {part["kind"]: part["distribution"] for part in report["components"]}
    used["executor"] = report["executor"]["distribution"]
    for kind in mine:
        assert used[kind] == f"stackkit-{plugin_of(kind)}"
    assert report["n_images"] == 18
    assert report["failed_images"] == []


def test_ruff_finds_nothing_with_short_and_long_names(tmp_path: Path) -> None:
    pytest.importorskip("ruff", reason="ruff is absent: it comes with the extra dev")
    assert len(LONGEST) == project.LONGEST
    for sort in SORTS:
        for name in ("x", LONGEST):
            project.write(project.names(name), kinds_of(sort), tmp_path / sort)
    shell = Shell(tmp_path, Path(sys.prefix), home=tmp_path)
    for settings in ("", f"--config {STACKKIT_ITSELF}"):
        shell.run(f"{sys.executable} -m ruff check --no-cache {settings} .")
        shell.run(f"{sys.executable} -m ruff format --no-cache --check {settings} .")


@pytest.mark.parametrize("sort", EACH)
def test_mypy_strict_finds_nothing(sort: str, generated: Path, shell: Shell) -> None:
    pytest.importorskip("mypy", reason="mypy is absent: it comes with the extra dev")
    mypy(shell, generated / f"stackkit-{plugin_of(sort)}", "src", "tests")


def test_mypy_accepts_an_import_of_scikit_learn_in_any_kind(generated: Path, shell: Shell) -> None:
    pytest.importorskip("mypy", reason="mypy is absent: it comes with the extra dev")
    folder = shutil.copytree(generated / f"stackkit-{plugin_of('aggregator')}", shell.folder / "more")
    (source,) = (folder / "src").rglob("aggregator.py")
    source.write_text(f"{source.read_text()}\n\nfrom sklearn.metrics import log_loss as log_loss\n")
    mypy(shell, folder)


def mypy(shell: Shell, folder: Path, *sources: str) -> None:
    """As the distribution itself has it set."""
    python = shell.environment / "bin" / "python"
    settings = f"--python-executable {python} --cache-dir {shell.home}/mypy"
    shell.run(f"cd {folder} && {sys.executable} -m mypy {settings} {' '.join(sources)}")


def test_the_declared_licence_is_included(generated: Path) -> None:
    whole = (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
    for kind in KINDS:
        folder = generated / f"stackkit-{plugin_of(kind)}"
        assert 'license = "Apache-2.0"' in (folder / "pyproject.toml").read_text()
        assert (folder / "LICENSE").read_text() == whole


def test_its_ci_runs_the_linters_that_pyproject_configures_and_requires(generated: Path) -> None:
    for kind in KINDS:
        folder = generated / f"stackkit-{plugin_of(kind)}"
        project = tomllib.loads((folder / "pyproject.toml").read_text())
        steps = (folder / ".github/workflows/test.yml").read_text()
        for tool in ("ruff", "mypy"):
            assert tool in project["tool"]
            assert any(
                text.startswith(tool) for text in project["project"]["optional-dependencies"]["lint"]
            )
            assert f"- run: {tool}" in steps
        assert project["tool"]["mypy"]["strict"] is True


def test_pyproject_has_a_place_for_authors_and_urls(generated: Path) -> None:
    text = (generated / f"stackkit-{plugin_of('dataset')}" / "pyproject.toml").read_text()
    project = tomllib.loads(text.replace("# authors", "authors").replace("# [", "[").replace("# S", "S"))
    assert project["project"]["authors"] == [{"name": "Your Name", "email": "you@example.org"}]
    assert project["project"]["urls"]["Source"].endswith(f"stackkit-{plugin_of('dataset')}")


@pytest.mark.parametrize("given", ["leaf-shapes", "stackkit-leaf-shapes"])
def test_the_output_ends_with_the_next_commands(given: str, stackkit: Command, tmp_path: Path) -> None:
    outcome = stackkit("new-plugin", given, "--kind", "backbone", "--out", tmp_path / "my plugins")
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "my plugins" / "stackkit-leaf-shapes"
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    first, *rest = outcome.out.splitlines()
    assert first == f"{folder}: the backbone leaf-shapes"
    assert {line.strip() for line in rest[: len(written)]} == written
    assert [line.strip() for line in rest[len(written) :]] == [
        "Next steps:",
        f"cd '{folder}'",
        "pip install -e '.[test]'",
        "python -m pytest",
    ]


def test_json_lists_the_files_and_the_next_commands(stackkit: Command, tmp_path: Path) -> None:
    words = ("new-plugin", "leaf-shapes", "--kind", "learner", "--out", tmp_path, "--json")
    document = stackkit(*words).document
    folder = Path(document["folder"])
    assert folder == tmp_path / "stackkit-leaf-shapes"
    assert all((folder / file).is_file() for file in document["files"])
    assert document["name"] == "leaf-shapes"
    assert document["components"] == [{"kind": "learner", "name": "leaf-shapes"}]
    assert document["distribution"] == "stackkit-leaf-shapes"
    assert document["module"] == "stackkit_leaf_shapes"
    assert document["next"][-1] == "python -m pytest"


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("Leaf_Shapes", "leaf-shapes"),
        ("../leaf", "leaf"),
        ("leaf/shapes", "leaf-shapes"),
        ("leaf--shapes", "leaf-shapes"),
        ("leaf shapes\n", "leaf-shapes"),
        ("blätter", "bl-tter"),
        ("stackkit-", "leaf-shapes"),
        ("", "leaf-shapes"),
        ("{{ kind }}", "kind"),
        ("x" * 41, "x" * 40),
    ],
)
def test_a_name_that_pip_and_python_cannot_both_use_is_refused(
    name: str, example: str, stackkit: Command, tmp_path: Path
) -> None:
    outcome = stackkit("new-plugin", name, "--kind", "learner", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.error.endswith(f"for example: {example}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("voting", "learner", "stackkit already has a plugin named voting"),
        ("resnet50", "backbone", "stackkit already has a backbone named resnet50"),
        ("plugins", "dataset", "a module named stackkit_plugins is already installed"),
        ("taken", "dataset", "somebody already has a plugin named taken"),
    ],
)
def test_a_name_that_is_taken_is_refused(
    name: str, kind: str, reason: str, site: Site, stackkit: Command, tmp_path: Path
) -> None:
    site.install("somebody", "", plugin="taken")
    outcome = stackkit("new-plugin", name, "--kind", kind, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert reason in outcome.error
    assert not (tmp_path / "out").exists()


def test_several_kinds_go_into_one_distribution_each_with_its_kind_in_its_name(
    stackkit: Command, tmp_path: Path
) -> None:
    words = ("--kind", "learner", "--kind", "dataset", "--kind", "learner")
    outcome = stackkit("new-plugin", "leaf", *words, "--out", tmp_path)
    folder = tmp_path / "stackkit-leaf"
    assert outcome.out.splitlines()[0] == f"{folder}: the dataset leaf-dataset, the learner leaf-learner"
    package = folder / "src" / "stackkit_leaf"
    assert (package / "dataset.py").is_file()
    assert (package / "learner.py").is_file()
    assert not (package / "backbone.py").exists()


def test_an_unknown_kind_is_refused(stackkit: Command, tmp_path: Path) -> None:
    outcome = stackkit("new-plugin", "leaf", "--kind", "optimiser", "--out", tmp_path)
    assert outcome.code == 2
    assert outcome.error == (
        "kind must be one of dataset, backbone, learner, aggregator, executor, got 'optimiser'"
    )
    assert list(tmp_path.iterdir()) == []


def test_its_author_may_create_it_again_elsewhere(stackkit: Command, tmp_path: Path) -> None:
    outcome = stackkit("new-plugin", "colour-histogram", "--kind", "backbone", "--out", tmp_path)
    assert outcome.code == 0, outcome.err


def test_nothing_is_overwritten(stackkit: Command, tmp_path: Path) -> None:
    folder = tmp_path / "stackkit-leaf-shapes"
    folder.mkdir()
    outcome = stackkit("new-plugin", "leaf-shapes", "--kind", "dataset", "--out", tmp_path)
    assert outcome.code == 2
    assert f"{folder} already exists and is not changed" in outcome.error
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_created_is_one_line(stackkit: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = stackkit("new-plugin", "leaf", "--kind", "dataset", "--out", tmp_path / "file")
    assert outcome.code == 2
    assert "cannot create" in outcome.error


def test_an_undefined_variable_in_a_template_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "any").mkdir()
    (tmp_path / "any" / "README.md.jinja").write_text("{{ nmae }}")
    monkeypatch.setattr(project, "TEMPLATES", tmp_path)
    with pytest.raises(Exception, match="nmae"):
        project.write(project.names("leaf"), ["dataset"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
