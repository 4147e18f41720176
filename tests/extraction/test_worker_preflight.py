"""A worker that would compute other features is found before anything is computed, with what to do."""

import pytest
from support.toys_on_workers import (
    ForkedWorkers,
    backbones_of,
    dataset_in,
    forget_plugins,
    paint_red,
    plugin_in,
)

from stackkit.api.errors import ExecutorError
from stackkit.api.reporter import SilentReporter
from stackkit.extraction.extract import extract, fingerprints
from stackkit.extraction.on_workers import worker_versions
from stackkit.store import FeatureStore


@pytest.fixture
def plugin(tmp_path):
    """The file of a plugin, which is loaded; processes that begin later load it again."""
    (tmp_path / "plugin").mkdir()
    with plugin_in(tmp_path / "plugin") as path:
        yield path


@pytest.fixture
def photographs(bird_folder, tmp_path):
    root = tmp_path / "photographs"
    for path in sorted(bird_folder.rglob("*.jpg"))[4:10]:
        (root / path.parent.name).mkdir(parents=True, exist_ok=True)
        (root / path.parent.name / path.name).write_bytes(path.read_bytes())
    return root


def refusal(root, tmp_path, text="quarters", begin=forget_plugins, change=lambda: None) -> str:
    """What is said when something changes after the run was started, and before workers look."""
    dataset, named = dataset_in(root), backbones_of(text)
    rows, _ = fingerprints("photographs", dataset, SilentReporter())
    _ = [one.key for one in named]
    change()
    executor, store = ForkedWorkers(2, begin), FeatureStore(tmp_path / "store")
    try:
        with pytest.raises(ExecutorError) as caught:
            extract(dataset, rows, named, store, SilentReporter(), executor=executor)
    finally:
        executor.close()
    assert not store.folder.exists()
    assert str(caught.value).startswith("process 1")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def another_stackkit() -> None:
    worker_versions.__version__ = "0.0.9"


def another_pillow() -> None:
    worker_versions.version = lambda package: "9.9" if package == "pillow" else "none"


def another_code() -> None:
    worker_versions.source_digest = lambda package: f"other {package}"


def test_another_version_names_the_worker_and_what_to_install(photographs, plugin, tmp_path):
    told = refusal(photographs, tmp_path, begin=another_stackkit)
    assert "has stackkit 0.0.9, and the run was started with 0.1.0" in told
    assert "run there: pip install stackkit==0.1.0" in told
    assert "pip install numpy==" in refusal(photographs, tmp_path, begin=another_pillow)
    assert "other code of stackkit" in refusal(photographs, tmp_path, begin=another_code)


def test_a_plugin_that_is_missing_or_differs_is_named(photographs, plugin, tmp_path):
    source = plugin.read_text()
    told = refusal(photographs, tmp_path, change=lambda: plugin.write_text(f"{source}\n# edited"))
    assert f"{plugin} must be the same file there" in told
    plugin.write_text(source)
    told = refusal(photographs, tmp_path, change=plugin.unlink)
    assert "unknown backbone 'worker_toys/quarters'" in told
    assert "cannot be read" in told


def test_weights_that_are_missing_or_differ_are_named(photographs, plugin, tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_text("one")
    text = f"weighted:weights={weights}"
    told = refusal(photographs, tmp_path, text, change=lambda: weights.write_text("two"))
    assert "has features of revision 'two " in told
    told = refusal(photographs, tmp_path, text, change=weights.unlink)
    assert "the weights weights.bin are missing; run `stackkit fetch`" in told
    assert "share STACKKIT_HOME" in told


def test_other_images_or_a_folder_that_cannot_be_read_are_named(photographs, plugin, tmp_path):
    first = sorted(photographs.rglob("*.jpg"))[0]
    told = refusal(photographs, tmp_path, change=lambda: paint_red(first))
    assert "is another image there than where the run was started" in told
    more = first.with_name("zzz.jpg")
    told = refusal(photographs, tmp_path, change=lambda: paint_red(more))
    assert "has other images there" in told
    moved = tmp_path / "moved"
    told = refusal(photographs, tmp_path, change=lambda: photographs.rename(moved))
    assert "cannot be read there" in told
    assert "an absolute path of a folder that all workers share, or as s3://" in told
