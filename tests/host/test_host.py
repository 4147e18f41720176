"""The host finds every plugin and loads each on its own: a broken one does not affect the others."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.installing import Site, own_entry_points, site_with_stackkit

from stackkit import __version__
from stackkit.api.errors import PluginError
from stackkit.host.component import Component
from stackkit.host.host import Host, PluginRecord, load_host
from stackkit.host.load_failure import FailureKind, LoadFailure

OFFERS_COLOURS = """
    from stackkit.api import BackboneSpec, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [BackboneSpec(name="colours", summary="mean colours", factory="nowhere:at_all")]
"""

HOOK_HEAD = "from stackkit.api import *\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_with_stackkit(tmp_path, monkeypatch) as site:
        yield site


def record(host: Host, name: str, distribution: str | None = None) -> PluginRecord:
    (found,) = (
        plugin
        for plugin in host.plugins
        if plugin.name == name and distribution in (None, plugin.distribution)
    )
    return found


def of(host: Host, *distributions: str) -> list[str]:
    return [c.qualified_name for c in host.components if c.distribution in distributions]


def own(host: Host) -> list[Component]:
    return [component for component in host.components if component.is_own]


def test_stackkits_own_plugins_all_load(site: Site) -> None:
    host = load_host()
    faults = {plugin.name: (plugin.error, plugin.warnings) for plugin in host.plugins}
    assert {name: fault for name, fault in faults.items() if fault != ("", ())} == {}
    assert {plugin.name for plugin in host.plugins} >= set(own_entry_points())
    assert {component.plugin for component in own(host)} == set(own_entry_points())


def test_stackkits_own_plugins_offer_every_kind_of_component(site: Site) -> None:
    names = {(component.kind, component.qualified_name) for component in load_host().components}
    assert names >= {
        ("dataset", "cub200/cub200"),
        ("dataset", "image-folder/image-folder"),
        ("dataset", "mnist/mnist"),
        ("backbone", "keras-applications/vgg19"),
        ("backbone", "efficientnet-lite/efficientnet-lite0"),
        ("learner", "logistic/logistic"),
        ("learner", "linear-svm/linear-svm"),
        ("aggregator", "average-svm/average-svm"),
        ("aggregator", "voting/soft-vote"),
    }


def test_an_installed_plugin_is_found_with_its_distribution_and_version(site: Site) -> None:
    site.install("acme-vision", OFFERS_COLOURS, plugin="acme", version="2.5")
    host = load_host()
    assert record(host, "acme") == PluginRecord(name="acme", distribution="acme-vision", version="2.5")
    (component,) = (c for c in host.components if c.plugin == "acme")
    assert component.qualified_name == "acme/colours"
    assert (component.distribution, component.version) == ("acme-vision", "2.5")
    assert not component.is_own


@pytest.mark.parametrize(
    ("code", "stage", "error"),
    [
        pytest.param(
            "import a_module_that_is_missing",
            "import",
            "ModuleNotFoundError: No module named 'a_module_that_is_missing'",
            id="its import fails",
        ),
        pytest.param("def broken(:", "import", "SyntaxError: invalid syntax", id="it is not Python"),
        pytest.param("raise SystemExit(3)", "import", "SystemExit: 3", id="its import exits"),
        pytest.param(
            "class Panic(BaseException): ...\nraise Panic('in\\nRust')",
            "import",
            "Panic: in Rust",
            id="its import panics",
        ),
        pytest.param(
            "class Shy(Exception):\n    def __str__(self): raise RuntimeError\nraise Shy",
            "import",
            "Shy: (its text is not available: __str__ raises an exception)",
            id="its error has no text",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners(): raise RuntimeError('no licence')",
            "hook",
            "stackkit_learners: RuntimeError: no licence",
            id="its hook raises",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_datasets(): raise SystemExit('bye')",
            "hook",
            "stackkit_datasets: SystemExit: bye",
            id="its hook exits",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_datasets():\n    yield 1 / 0",
            "hook",
            "stackkit_datasets: ZeroDivisionError: division by zero",
            id="its generator raises",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners(): return ['svm']",
            "specs",
            "stackkit_learners must return LearnerSpec records, got str",
            id="its hook returns text",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners():\n"
            "    return [BackboneSpec(name='a', summary='', factory='a:b')]",
            "specs",
            "stackkit_learners must return LearnerSpec records, got BackboneSpec",
            id="its hook returns another kind",
        ),
        pytest.param(
            HOOK_HEAD + "class Mine(LearnerSpec): kind = 'dataset'\n@hookimpl\n"
            "def stackkit_learners(): return [Mine(name='a', summary='', factory='a:b')]",
            "specs",
            "stackkit_learners must return LearnerSpec records, got Mine",
            id="its spec is of a subclass",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners():\n"
            "    return [LearnerSpec(name='a', summary=None, factory='a:b')]",
            "hook",
            "stackkit_learners: TypeError: a: summary must be str, got NoneType",
            id="its spec has a field of another type",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners(): return 3",
            "specs",
            "stackkit_learners must return a list of LearnerSpec, got int",
            id="its hook does not return a list",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners(): [].append('forgotten return')",
            "specs",
            "stackkit_learners must return a list of LearnerSpec, got None",
            id="its hook returns nothing",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners():\n"
            "    return [LearnerSpec(name='a', summary='', factory='a:b')] * 2",
            "specs",
            "stackkit_learners returned two learners named 'a'",
            id="it offers one name twice",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners():\n"
            "    return [LearnerSpec(name='Not A Name', summary='', factory='a:b')]",
            "hook",
            "stackkit_learners: ValueError: name must be lower-case letters",
            id="its spec is malformed",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_backbons(): return []",
            "register",
            "unknown hook stackkit_backbons; the hooks are stackkit_datasets, stackkit_backbones,",
            id="its hook is unknown",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_backbones(folder): return []",
            "register",
            "PluginValidationError: Plugin 'broken' for hook 'stackkit_backbones'",
            id="its hook has an argument",
        ),
    ],
)
def test_a_broken_plugin_is_reported_and_the_others_load(
    site: Site, code: str, stage: str, error: str
) -> None:
    site.install("acme", OFFERS_COLOURS)
    before = load_host()
    site.install("broken", code)
    site.install("zenith", OFFERS_COLOURS)
    host = load_host()
    broken = record(host, "broken")
    assert (broken.stage, broken.status) == (stage, "failed")
    assert broken.error.startswith(error)
    assert "\n" not in broken.error
    assert own(host) == own(before)
    assert of(host, "acme", "zenith", "broken") == ["acme/colours", "zenith/colours"]


def test_a_plugin_object_that_cannot_be_hashed_or_compared_loads(site: Site) -> None:
    site.install(
        "odd",
        HOOK_HEAD
        + """
class Odd:
    def __eq__(self, other): raise RuntimeError("not comparable")
    @hookimpl
    def stackkit_backbones(self): return [BackboneSpec(name="odd", summary="", factory="a:b")]
plugin = Odd()
""",
        plugin="unused",
    )
    site.declare("odd-object", {"odd": "odd:plugin"})
    site.install("zenith", OFFERS_COLOURS)
    host = load_host()
    assert record(host, "zenith").status == "ok"
    assert of(host, "odd-object", "zenith") == ["odd/odd", "zenith/colours"]


def test_a_hook_of_a_newer_host_may_be_marked_optional(site: Site) -> None:
    newer = "\n    @hookimpl(optionalhook=True)\n    def stackkit_executors(): return []\n"
    site.install("newer", OFFERS_COLOURS + newer)
    host = load_host()
    assert record(host, "newer").status == "ok"
    assert of(host, "newer") == ["newer/colours"]


def test_an_entry_point_without_a_module_is_reported(site: Site) -> None:
    site.declare("ghost", {"gone": "no_such_module", "torn": "not a module!"})
    host = load_host()
    assert record(host, "gone").error == "ModuleNotFoundError: No module named 'no_such_module'"
    assert record(host, "torn").stage == "import"


@pytest.mark.parametrize("finder", ["importlib.metadata", "importlib_metadata"])
def test_a_half_removed_distribution_is_reported(site: Site, finder: str) -> None:
    pytest.importorskip(finder)  # the package replaces the finder of the standard library
    site.install("gone", OFFERS_COLOURS)
    site.install("acme", OFFERS_COLOURS)
    (site.folder / "gone-1.0.dist-info" / "METADATA").unlink()
    (site.folder / "gone.py").unlink()
    host = load_host()
    assert (record(host, "gone").distribution, record(host, "gone").stage) == ("unknown", "import")
    assert of(host, "acme") == ["acme/colours"]


def test_two_third_party_plugins_with_one_name_are_both_refused_and_named(site: Site) -> None:
    site.install("acme-vision", OFFERS_COLOURS, plugin="vision")
    site.install("zenith-vision", OFFERS_COLOURS, plugin="vision")
    site.install("other", OFFERS_COLOURS)
    host = load_host()
    for distribution in ("acme-vision", "zenith-vision"):
        refused = record(host, "vision", distribution)
        assert refused.stage == "find"
        assert refused.error == (
            "acme-vision and zenith-vision each have a plugin 'vision'; uninstall or rename all but one"
        )
    assert of(host, "acme-vision", "zenith-vision", "other") == ["other/colours"]


def test_a_third_party_plugin_with_the_name_of_a_built_in_is_refused(site: Site) -> None:
    before = load_host()
    site.install("acme-vision", OFFERS_COLOURS, plugin="logistic")
    host = load_host()
    assert record(host, "logistic", "stackkit").status == "ok"
    assert own(host) == own(before)
    assert record(host, "logistic", "acme-vision").error == (
        "stackkit itself has a plugin 'logistic'; acme-vision must rename it"
    )
    assert of(host, "acme-vision") == []


def test_a_plugin_name_that_has_a_meaning_on_the_command_line_is_refused(site: Site) -> None:
    site.install("acme", OFFERS_COLOURS, plugin="my, plugin")
    refused = record(load_host(), "my, plugin")
    assert refused.error == "invalid plugin name 'my, plugin'; use letters, digits, '.', '_' and '-'"


def test_two_plugins_may_offer_components_of_one_name(site: Site) -> None:
    site.install("acme", OFFERS_COLOURS)
    site.install("zenith", OFFERS_COLOURS)
    host = load_host()
    assert record(host, "acme").status == record(host, "zenith").status == "ok"
    assert of(host, "acme", "zenith") == ["acme/colours", "zenith/colours"]


def test_stackkit_plugins_loads_only_the_third_party_plugins_it_lists(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acme", "zenith", "broken"):
        site.install(name, "raise RuntimeError" if name == "broken" else OFFERS_COLOURS)
    everything = load_host()
    monkeypatch.setenv("STACKKIT_PLUGINS", "zenith, unheard-of")
    host = load_host()
    loaded = [plugin.name for plugin in host.plugins if plugin.distribution != "stackkit"]
    assert loaded == ["zenith"]
    assert own(host) == own(everything)


def test_an_empty_stackkit_plugins_loads_the_built_ins_only(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("acme", OFFERS_COLOURS)
    monkeypatch.setenv("STACKKIT_PLUGINS", "")
    host = load_host()
    assert {plugin.distribution for plugin in host.plugins} == {"stackkit"}
    assert own(host)


def test_listing_the_name_of_two_plugins_does_not_choose_one_of_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("acme-vision", OFFERS_COLOURS, plugin="vision")
    site.install("zenith-vision", OFFERS_COLOURS, plugin="vision")
    monkeypatch.setenv("STACKKIT_PLUGINS", "vision")
    assert of(load_host(), "acme-vision", "zenith-vision") == []


def test_stackkit_strict_raises_the_first_failure(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("broken", "raise RuntimeError('no licence')", version="0.3")
    monkeypatch.setenv("STACKKIT_PLUGINS", "broken")
    monkeypatch.setenv("STACKKIT_STRICT", "1")
    with pytest.raises(PluginError) as caught:
        load_host()
    assert str(caught.value) == "plugin broken (broken 0.3): import: RuntimeError: no licence"
    broken = caught.value.__cause__
    assert broken is not None
    assert isinstance(broken.__cause__, RuntimeError)


def test_components_are_sorted_and_stackkits_own_plugins_come_first(site: Site) -> None:
    site.install("aardvark", OFFERS_COLOURS)
    host = load_host()
    order = [(component.kind, component.qualified_name) for component in host.components]
    assert order == sorted(order)
    names = [plugin.name for plugin in host.plugins if plugin.distribution == "stackkit"]
    assert names == sorted(own_entry_points())
    assert host.plugins[len(names)].name == "aardvark"


@given(data=st.data())
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_entry_points_does_not_matter(crowd: list[EntryPoint], data: st.DataObject) -> None:
    assert load_host(data.draw(st.permutations(crowd))) == load_host(crowd)


@pytest.fixture
def crowd(site: Site) -> list[EntryPoint]:
    """Good, broken and clashing third-party plugins beside stackkit's own."""
    for name in ("acme", "zenith"):
        site.install(name, OFFERS_COLOURS)
        site.install(f"{name}-vision", OFFERS_COLOURS, plugin="vision")
    site.install("broken", "raise RuntimeError")
    site.install("thief", OFFERS_COLOURS, plugin="voting")
    return list(entry_points(group="stackkit"))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"[stackkit]\nbroken = b\xff\n"),
        ("entry_points.txt", b"[stackkit]\nbroken\n"),
        ("METADATA", b"Metadata-Version: 2.1\nName: b\xff\nVersion: 1\n"),
    ],
)
def test_unreadable_metadata_affects_only_its_distribution(
    site: Site, file: str, content: bytes
) -> None:
    site.install("acme", OFFERS_COLOURS)
    before = own(load_host())
    site.install("broken", OFFERS_COLOURS)
    folder = site.folder / "broken-1.0.dist-info"
    (folder / file).write_bytes(content)
    host = load_host()
    broken = record(host, "broken")
    assert (broken.stage, broken.distribution) == ("find", folder.name)
    assert broken.failure == LoadFailure(kind="metadata", name=folder.name)
    assert broken.error.startswith("its metadata cannot be read (")
    assert broken.error.endswith(f"reinstall it, or remove {folder}")
    assert own(host) == before
    assert of(host, "acme") == ["acme/colours"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def stackkit_backbones(): return []", "stackkit_backbones is ignored: add @hookimpl above it"),
        ("x = 1", "offers nothing: it has none of the hooks stackkit_datasets, "),
    ],
)
def test_a_plugin_without_a_hook_is_warned(site: Site, code: str, reason: str) -> None:
    site.install("acme", code)
    acme = record(load_host(), "acme")
    (warning,) = acme.warnings
    assert (acme.status, warning.stage) == ("warned", "register")
    assert warning.reason.startswith(reason)


def test_a_hook_that_is_a_coroutine_fails_without_a_python_warning(
    site: Site, recwarn: pytest.WarningsRecorder
) -> None:
    site.install("acme", HOOK_HEAD + "@hookimpl\nasync def stackkit_backbones(): return []")
    acme = record(load_host(), "acme")
    assert acme.error == "stackkit_backbones must return a list of BackboneSpec, got coroutine"
    assert not list(recwarn)


@pytest.mark.parametrize(
    "requirement", ["stackkit>=99", "stackkit (>=99)", "Stackkit>=99", "stackkit[fast]>=99,<100"]
)
def test_a_plugin_for_another_stackkit_is_not_imported(site: Site, requirement: str) -> None:
    site.install("acme", "raise RuntimeError('imported')", requires=["numpy>=1", requirement])
    site.install("zenith", OFFERS_COLOURS)
    host = load_host()
    acme = record(host, "acme")
    assert (acme.stage, acme.status) == ("find", "failed")
    assert acme.error.startswith("requires stackkit")
    assert acme.error.endswith(f", but this is stackkit {__version__}")
    assert acme.failure == LoadFailure(kind="stackkit-version", name=requirement)
    assert of(host, "zenith") == ["zenith/colours"]


@pytest.mark.parametrize(
    "requirement",
    [
        "stackkit",
        "stackkit>=0.0.1",
        "stackkit-extras>=99",
        'stackkit>=99; extra == "test"',
        "stackkit ~~ 3",
    ],
)
def test_a_plugin_for_this_stackkit_is_loaded(site: Site, requirement: str) -> None:
    site.install("acme", OFFERS_COLOURS, requires=[requirement])
    assert record(load_host(), "acme").status == "ok"


@pytest.mark.parametrize("version", ["99", "'new'"])
def test_a_plugin_for_newer_hooks_fails_with_the_command_to_upgrade(site: Site, version: str) -> None:
    site.install("acme", f"STACKKIT_HOOKSPEC_VERSION = {version}\n" + dedent(OFFERS_COLOURS))
    site.install("zenith", OFFERS_COLOURS)
    host = load_host()
    acme = record(host, "acme")
    assert (acme.stage, acme.failure) == ("register", LoadFailure(kind="hookspec-version", name=version))
    assert acme.error == (
        f"requires hook version {version}, but this stackkit has 1; run: pip install --upgrade stackkit"
    )
    assert of(host, "acme", "zenith") == ["zenith/colours"]


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        ("import a_module.inside", "missing-module", "a_module"),
        ("import os\nos.no_such_name", "missing-attribute", "no_such_name"),
        ("x = 1", "missing-attribute", "plugin"),
        ("def broken(:", "syntax", "acme.py"),
        ("if True:\nx = 1", "syntax", "acme.py"),
        ("raise TimeoutError('of a server')", "other", ""),
        ("raise ImportError('No module named numpy')", "other", ""),
        ("class E(AttributeError):\n    name = property(exit)\nraise E", "other", ""),
        ("raise SystemExit(1)", "other", ""),
    ],
)
def test_the_kind_of_a_failure_comes_from_the_type_of_the_exception(
    site: Site, code: str, kind: FailureKind, name: str
) -> None:
    (site.folder / "acme.py").write_text(code)
    site.declare("acme", {"acme": "acme:plugin"})
    failure = record(load_host(), "acme").failure
    assert failure is not None
    assert (failure.kind, Path(failure.name).name) == (kind, name)


def test_a_plugin_that_works_has_no_failure_and_a_refused_name_is_one(site: Site) -> None:
    site.install("acme", OFFERS_COLOURS)
    site.install("acme-vision", OFFERS_COLOURS, plugin="logistic")
    host = load_host()
    assert record(host, "acme").failure is None
    assert record(host, "logistic", "acme-vision").failure == LoadFailure(kind="name", name="logistic")
