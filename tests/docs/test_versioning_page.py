"""docs/explanation/versioning.md: no release removes what an earlier HOOKSPEC_VERSION contained."""

import inspect
import json
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
from stackkit.host.registry import Registry

PAGE = text_of("versioning.md")

SPEC = "name summary factory"
CONTENT: dict[int, dict[str, str]] = {
    1: {
        "hooks": "stackkit_datasets stackkit_backbones stackkit_learners stackkit_aggregators"
        " stackkit_executors",
        "api": "HOOKSPEC_VERSION bytes_fingerprint datasets_dir decode_image engines_dir"
        " file_fingerprint fit_on_option group_argument hookimpl is_housekeeping leave_out_small_classes"
        " limit_option limit_per_class min_per_class_option pixel_options read_image seed_option"
        " user_path IMAGE_ENDINGS RAW_ENDINGS"
        " BoundingBox FitOn OnnxTensor OptionValue DatasetError ExtractionError ImageError PluginError"
        " StackkitError UsageError WeightsError ExecutorError WorkerDiedError",
        "ComponentSpec": f"{SPEC} options requires install unavailable_reason lacking diagnoses",
        "DatasetSpec": f"{SPEC} fetch",
        "BackboneSpec": f"{SPEC} image_size feature_dim download_bytes weights_file",
        "LearnerSpec": f"{SPEC} probabilities process_state state restore onnx update",
        "AggregatorSpec": f"{SPEC} process_state state restore onnx learns",
        "ExecutorSpec": f"{SPEC}",
        "Executor": "in_process n_workers threads submit share on_each_worker close",
        "Option": "name default help type choices words minimum maximum above deprecated several",
        "State": "values arrays parts",
        "OnnxNodes": "add add_several constant name choose cast log in_columns model",
        "Sample": "id label split bounding_box group",
        "PixelOptions": "orientation background scale_16bit",
        "Readiness": "settings batch_size images_per_s",
        "Dataset": "classes samples notes image fingerprint",
        "Backbone": "image_size feature_dim revision trained extract",
        "PreparableBackbone": "prepare",
        "PlanningBackbone": "expect",
        "PortableBackbone": "weights_file",
        "ExportableBackbone": "onnx",
        "JoinableBackbone": "pass_key join",
        "Learner": "fit predict",
        "StoredRows": "labels groups n_features read",
        "StreamingLearner": "fit_stored",
        "UpdatableLearner": "partial_fit",
        "Aggregator": "fit_on fit predict",
        "FeatureAggregator": "fit_on fit predict",
        "Reporter": "start advance message",
        "SilentReporter": "start advance message",
    }
}
"""What each HOOKSPEC_VERSION added. Never remove an entry; a new version gets a new one."""

REQUIRED = {
    "ComponentSpec": {"name", "summary", "factory"},
    "Option": {"name", "default", "help"},
    "Sample": {"id", "label"},
    "Readiness": {"settings", "batch_size"},
}
"""Fields without a default. A new field has one, so that existing plugins remain valid."""


def members(name: str) -> set[str]:
    if name == "hooks":
        return set(hookspecs.HOOKS)
    if name == "api":
        return set(api.__all__)
    thing = ComponentSpec if name == "ComponentSpec" else getattr(api, name)
    return {field.name for field in fields(thing)} if is_dataclass(thing) else set(dir(thing))


@pytest.mark.parametrize(
    ("name", "content"), [item for version in CONTENT.values() for item in version.items()]
)
def test_nothing_of_an_earlier_version_is_removed(name: str, content: str) -> None:
    assert set(content.split()) - members(name) == set()


def test_everything_that_exists_is_listed_here() -> None:
    """An addition belongs to the next version, or to the newest one until that is released."""
    assert max(CONTENT) == api.HOOKSPEC_VERSION
    known = set(" ".join(text for each in CONTENT.values() for text in each.values()).split())
    known |= {name for each in CONTENT.values() for name in each}
    assert set(api.__all__) - known == set()
    for name in {name for each in CONTENT.values() for name in each} - {"hooks", "api"}:
        listed = set(" ".join(each.get(name, "") for each in CONTENT.values()).split())
        if is_dataclass(getattr(api, name, ComponentSpec)):
            shared = (
                members("ComponentSpec") if name.endswith("Spec") and name != "ComponentSpec" else set()
            )
            assert members(name) - listed - shared == set(), name


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
    (tmp_path / "future_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    return EntryPoint(name="future", value="future_plugin", group="stackkit")


def test_loading_a_plugin_with_a_deprecated_hook_warns(
    plugin: EntryPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = hookspecs.stackkit_learners.stackkit_spec  # type: ignore[attr-defined]
    monkeypatch.setitem(declared, "warn_on_impl", FutureWarning("use stackkit_classifiers"))
    with pytest.warns(FutureWarning, match="use stackkit_classifiers"):
        (record,) = load_host([plugin], environ={}).plugins
    assert record.status == "ok"


def test_an_optional_hook_of_a_newer_stackkit_is_ignored(plugin: EntryPoint) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (record,) = load_host([plugin], environ={}).plugins
    assert record.status == "ok"


OLD_FIELD = """
from stackkit.api import LearnerSpec, hookimpl

def why(**options):
    return "moon.bin is missing; download it"

@hookimpl
def stackkit_learners():
    return [LearnerSpec(name="moon", summary="", factory="old_field:why", lacking="old_field:why")]
"""
DEPRECATED = "FutureWarning: learner moon: lacking= is deprecated"


@pytest.fixture
def old_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a plugin that still uses the deprecated field `lacking`."""
    file = tmp_path / "old_field.py"
    file.write_text(OLD_FIELD)
    monkeypatch.syspath_prepend(tmp_path)
    return file


def test_a_plugin_that_gives_a_deprecated_field_works_and_warns(old_field: Path) -> None:
    point = EntryPoint(name="old-field", value=old_field.stem, group="stackkit")
    with pytest.warns(FutureWarning, match="learner moon: lacking= is deprecated") as seen:
        host = load_host([point], environ={})
    assert len(seen) == 1
    assert [record.status for record in host.plugins] == ["ok"]
    registry = Registry(host=host)
    assert registry.one("learner", "moon").unavailable_reason() == "moon.bin is missing; download it"


def test_list_plugins_shows_the_warning_of_a_deprecated_field_once(old_field: Path) -> None:
    command = [sys.executable, "-m", "stackkit", "--plugin", str(old_field), "list-plugins"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def listed(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words], env=environment, capture_output=True, text=True, check=True
        )

    people, program = listed("moon"), listed("moon", "--json")
    for done in (people, program):
        assert done.stderr.count(DEPRECATED) == 1
        assert "FutureWarning" not in done.stdout
        assert "moon.bin is missing; download it" in done.stdout
    document = json.loads(program.stdout)
    (plugin,) = (each for each in document["plugins"] if each["name"] == "old_field")
    assert (plugin["status"], plugin["warnings"]) == ("ok", [])


def test_a_renamed_option_works_by_both_names_and_prints_one_line(
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
    assert "18 images computed, 0 were stored already" in again  # another option is another key
    assert "deprecated" not in again
    listed = printed("list-plugins", "brightness")
    (marked,) = re.findall(r"`stackkit list-plugins brightness` marks .*`(\(.*?\))`", PAGE)
    assert marked in listed


def test_the_conformance_kit_keeps_its_keywords() -> None:
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
