"""docs/versioning.md: nothing that a HOOKSPEC_VERSION promised is ever gone."""

import inspect
import os
import re
import subprocess
import sys
import warnings
from dataclasses import MISSING, fields, is_dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from support.pages import text_of

from stackkit import api, testing
from stackkit.api import hookspecs
from stackkit.api.specs import ComponentSpec
from stackkit.host.host import load_host

PAGE = text_of("versioning.md")

SPEC = "name summary factory"
PROMISED: dict[int, dict[str, str]] = {
    1: {
        "hooks": "stackkit_datasets stackkit_backbones stackkit_learners stackkit_aggregators",
        "api": "HOOKSPEC_VERSION bytes_fingerprint datasets_dir decode_image engines_dir"
        " file_fingerprint fit_on_option hookimpl limit_option limit_per_class read_image seed_option"
        " BoundingBox FitOn OptionValue DatasetError ExtractionError ImageError PluginError"
        " StackkitError UsageError WeightsError",
        "ComponentSpec": f"{SPEC} options requires install lacking diagnoses",
        "DatasetSpec": f"{SPEC} fetch",
        "BackboneSpec": SPEC,
        "LearnerSpec": f"{SPEC} probabilities",
        "AggregatorSpec": SPEC,
        "Option": "name default help type choices words minimum maximum above deprecated",
        "Sample": "id label split bounding_box",
        "Readiness": "settings batch_size images_per_s",
        "Dataset": "classes samples notes image fingerprint",
        "Backbone": "image_size feature_dim revision trained extract",
        "PreparableBackbone": "prepare",
        "Learner": "fit predict",
        "Aggregator": "fit_on fit predict",
        "FeatureAggregator": "fit_on fit predict",
        "Reporter": "start advance message",
        "SilentReporter": "start advance message",
    }
}
"""What each version added. Entries are never removed; a new version gets an entry of its own."""

REQUIRED = {
    "ComponentSpec": {"name", "summary", "factory"},
    "Option": {"name", "default", "help"},
    "Sample": {"id", "label"},
    "Readiness": {"settings", "batch_size"},
}
"""Fields without a default; there will be no more of them."""


def members(name: str) -> set[str]:
    if name == "hooks":
        return set(hookspecs.HOOKS)
    if name == "api":
        return set(api.__all__)
    thing = ComponentSpec if name == "ComponentSpec" else getattr(api, name)
    return {field.name for field in fields(thing)} if is_dataclass(thing) else set(dir(thing))


@pytest.mark.parametrize(
    ("name", "promised"), [item for promises in PROMISED.values() for item in promises.items()]
)
def test_what_was_promised_is_there(name: str, promised: str) -> None:
    assert set(promised.split()) - members(name) == set()


def test_what_is_there_is_promised() -> None:
    """So that an addition is not forgotten here: it belongs to the newest version, or to the next."""
    assert max(PROMISED) == api.HOOKSPEC_VERSION
    known = set(" ".join(text for each in PROMISED.values() for text in each.values()).split())
    known |= {name for each in PROMISED.values() for name in each}
    assert set(api.__all__) - known == set()
    for name in {name for each in PROMISED.values() for name in each} - {"hooks", "api"}:
        promised = set(" ".join(each.get(name, "") for each in PROMISED.values()).split())
        if is_dataclass(getattr(api, name, ComponentSpec)):
            shared = (
                members("ComponentSpec") if name.endswith("Spec") and name != "ComponentSpec" else set()
            )
            assert members(name) - promised - shared == set(), name


@pytest.mark.parametrize("name", REQUIRED)
def test_no_field_without_a_default_is_added(name: str) -> None:
    thing = ComponentSpec if name == "ComponentSpec" else getattr(api, name)
    assert {
        field.name
        for field in fields(thing)
        if field.default is MISSING and field.default_factory is MISSING
    } == REQUIRED[name]


PLUGIN = """
from stackkit.api import hookimpl

@hookimpl
def stackkit_learners():
    return []

@hookimpl(optionalhook=True)
def stackkit_hook_of_the_future():
    return []
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    (tmp_path / "promising_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    return EntryPoint(name="promising", value="promising_plugin", group="stackkit")


def test_a_hook_that_is_going_to_go_warns_whoever_lists_its_plugins(
    plugin: EntryPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = hookspecs.stackkit_learners.stackkit_spec  # type: ignore[attr-defined]
    monkeypatch.setitem(declared, "warn_on_impl", FutureWarning("use stackkit_classifiers"))
    with pytest.warns(FutureWarning, match="use stackkit_classifiers"):
        (record,) = load_host([plugin], environ={}).plugins
    assert record.status == "ok"


def test_an_optional_hook_that_this_stackkit_does_not_know_is_passed_over(plugin: EntryPoint) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (record,) = load_host([plugin], environ={}).plugins
    assert record.status == "ok"


def test_a_renamed_option_works_by_both_names_and_one_line_says_so(
    tmp_path: Path, bird_folder: Path
) -> None:
    (code,) = re.findall(r"<!-- brightness\.py -->\n```python\n(.*?)```", PAGE, re.S)
    (said,) = re.findall(r"```text\n(deprecated.*?)\n```", PAGE, re.S)
    file = tmp_path / "brightness.py"
    file.write_text(code, encoding="utf-8")

    def printed(*words: str | Path) -> str:
        command = [sys.executable, "-m", "stackkit", "--plugin", file, *words]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    extract = ("extract", "--dataset", f"image-folder:root={bird_folder}", "--backbones")
    assert printed(*extract, "brightness:size=32").splitlines().count(said) == 1
    again = printed(*extract, "brightness:side=32")
    assert "0 images computed, 18 were stored already" in again
    assert "deprecated" not in again
    listed = printed("list-plugins", "brightness")
    (marked,) = re.findall(r"`stackkit list-plugins brightness` marks .*`(\(.*?\))`", PAGE)
    assert marked in listed


def test_the_conformance_kit_keeps_the_keywords_that_were_promised() -> None:
    assert set(testing.__all__) >= {"conformance"}
    assert set(inspect.signature(testing.conformance).parameters) >= {
        "name",
        "known",
        "options",
        "images",
        "components",
        "time_limit",
    }


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", PAGE, re.S))
def test_every_block_runs(block: str) -> None:
    exec(compile(re.sub(r"^  ", "", block, flags=re.M), "versioning.md", "exec"), {})
