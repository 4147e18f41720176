"""Plugins in a single file follow the same rules as installed ones."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest
from support.installing import Site, site_with_stackkit
from test_host import OFFERS_COLOURS, of, own, record

from stackkit.host.host import load_host
from stackkit.host.registry import Registry

COLOURS = """
    import numpy as np
    from stackkit.api import BackboneSpec, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [BackboneSpec(name="colours", summary="", factory="mine:Colours")]

    class Colours:
        image_size, feature_dim, revision, trained = 8, 3, "1", True
        def extract(self, images):
            return images.mean(axis=(1, 2)).astype(np.float32)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with site_with_stackkit(tmp_path / "site", monkeypatch) as site:
        yield site
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def mine(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin file that STACKKIT_PLUGIN_FILES lists."""
    file = write(tmp_path / "mine.py", COLOURS)
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(file))
    return file


def write(file: Path, code: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(dedent(code), encoding="utf-8")
    return file


def test_a_file_is_a_plugin_named_by_its_stem_and_located_by_its_path(mine: Path) -> None:
    host = load_host()
    found = record(host, "mine")
    assert (found.status, found.distribution) == ("ok", str(mine))
    assert of(host, str(mine)) == ["mine/colours"]
    backbone = Registry(host=host).one("backbone", "colours").create()
    assert type(backbone).__name__ == "Colours"
    assert not (mine.parent / "__pycache__").exists()


def test_a_factory_in_a_file_is_found_by_worker_threads(mine: Path) -> None:
    choice = Registry(host=load_host()).one("backbone", "mine/colours")
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: choice.create(), range(8)))
    assert len({type(each) for each in made}) == 1


def test_a_changed_file_is_read_again_and_is_another_version(mine: Path) -> None:
    first = Registry(host=load_host()).one("backbone", "colours")
    assert first.create().revision == "1"
    times = mine.stat()
    write(mine, COLOURS.replace('"1"', '"2"'))
    os.utime(mine, ns=(times.st_atime_ns, times.st_mtime_ns))  # Python would take its bytecode
    second = Registry(host=load_host()).one("backbone", "colours")
    assert second.create().revision == "2"
    assert first.component.version != second.component.version
    assert second.component.code == second.component.version


def test_features_and_fits_are_keyed_by_the_content_of_a_file(mine: Path) -> None:
    from stackkit.evaluation.fit_digest import identity
    from stackkit.extraction.backbone import make_backbone

    keys, identities = [], []
    for extra in ("", "    # a comment"):
        write(mine, COLOURS + extra)
        choice = Registry(host=load_host()).one("backbone", "colours")
        keys.append(make_backbone(choice).key)
        identities.append(identity(choice))
    assert keys[0] != keys[1]
    assert keys[1].revision == f"1 {choice.component.code}"
    assert identities[0] != identities[1]


def test_a_file_that_did_not_change_is_executed_once(mine: Path) -> None:
    load_host()
    module = sys.modules["mine"]
    load_host()
    assert sys.modules["mine"] is module


def test_every_python_file_in_the_plugins_folder_is_a_plugin_except_with_an_underscore(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    for name in ("alpha.py", "beta.py", "_helper.py", "notes.txt"):
        write(folder / name, OFFERS_COLOURS)
    monkeypatch.setenv("STACKKIT_PLUGINS_DIR", str(folder))
    host = load_host()
    assert [r.name for r in host.plugins if r.distribution != "stackkit"] == ["alpha", "beta"]
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(folder / "alpha.py"))
    assert record(load_host(), "alpha").status == "ok", "given twice, loaded once"


def test_stackkit_plugins_selects_from_the_folder_and_a_named_file_is_always_loaded(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha.py", "beta.py"):
        write(tmp_path / "folder" / name, OFFERS_COLOURS)
    monkeypatch.setenv("STACKKIT_PLUGINS_DIR", str(tmp_path / "folder"))
    for selected, names in (("beta", ["beta", "mine"]), ("", ["mine"])):
        monkeypatch.setenv("STACKKIT_PLUGINS", selected)
        assert [r.name for r in load_host().plugins if r.distribution != "stackkit"] == names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-plugin.py", "'my-plugin.py' cannot be imported; use a Python name with .py"),
        ("plugin.txt", "'plugin.txt' cannot be imported; use a Python name with .py"),
        ("json.py", "a module 'json' exists already"),
        ("numpy.py", "a module 'numpy' exists already"),
        ("__main__.py", "a module '__main__' exists already"),
        ("sys.py", "a module 'sys' exists already"),
        ("stackkit.py", "a module 'stackkit' exists already"),
        ("logistic.py", "stackkit itself has a plugin 'logistic'"),
        ("acme.py", "a module 'acme' exists already"),
    ],
)
def test_a_file_with_an_invalid_or_taken_name_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    site.install("acme", OFFERS_COLOURS)
    file = write(tmp_path / "folder" / name, OFFERS_COLOURS)
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(file))
    host = load_host()
    refused = record(host, file.stem, str(file))
    assert (refused.status, refused.stage) == ("failed", "find")
    assert refused.error.startswith(said)
    assert refused.failure is not None
    assert refused.failure.kind == "name"
    assert own(host)
    assert type(sys.modules["json"].__loader__).__module__ != "stackkit.host.single_file"


def test_two_files_of_one_name_are_both_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write(tmp_path / folder / "vision.py", OFFERS_COLOURS) for folder in ("a", "b")]
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", os.pathsep.join(map(str, files)))
    host = load_host()
    for file in files:
        assert record(host, "vision", str(file)).error == (
            f"{files[0]} and {files[1]} each have a plugin 'vision'; uninstall or rename all but one"
        )


@pytest.mark.parametrize("variable", ["STACKKIT_PLUGIN_FILES", "STACKKIT_PLUGINS_DIR"])
def test_a_file_or_folder_that_does_not_exist_is_reported(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "gone"))
    host = load_host()
    assert record(host, "gone").error == "cannot be read: No such file or directory"
    assert own(host)


@pytest.mark.parametrize(
    ("code", "stage", "said"),
    [
        ("import a_module_that_is_missing", "import", "ModuleNotFoundError"),
        ("def broken(:", "import", "SyntaxError"),
        ("text = 'caf\xe9'", "import", "SyntaxError"),
        (
            "from stackkit.api import *\n@hookimpl\ndef stackkit_learners(): 1 / 0",
            "hook",
            "stackkit_learners",
        ),
    ],
)
def test_a_broken_file_is_reported_and_the_others_load(
    mine: Path, code: str, stage: str, said: str
) -> None:
    mine.write_bytes(code.encode("latin-1"))
    host = load_host()
    broken = record(host, "mine")
    assert (broken.stage, broken.status) == (stage, "failed")
    assert broken.error.startswith(said)
    assert own(host)
    if stage == "import":
        assert "mine" not in sys.modules


def test_a_file_that_prints_is_warned_like_an_installed_plugin(mine: Path) -> None:
    write(mine, "print('hello')\n" + dedent(COLOURS))
    (warning,) = record(load_host(), "mine").warnings
    assert (warning.stage, warning.reason) == ("import", "printed 'hello'")


def test_a_symbolic_link_is_a_plugin_by_its_own_name(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = write(tmp_path / "third_try.py", OFFERS_COLOURS)
    (tmp_path / "best.py").symlink_to(target)
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(tmp_path / "best.py"))
    assert record(load_host(), "best").status == "ok"


def test_a_pipe_and_a_keyword_are_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    write(tmp_path / "class.py", COLOURS)
    monkeypatch.setenv("STACKKIT_PLUGINS_DIR", str(tmp_path))
    host = load_host()
    assert record(host, "pipe").error == "cannot be read: not a regular file"
    assert record(host, "class").error == (
        "'class.py' cannot be imported; use a Python name with .py, such as my_plugin.py"
    )
