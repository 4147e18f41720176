"""The host: every plugin is found, asked alone, and costs nobody else anything when it is broken."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.installing import Site, own_entry_points, site_with_stackkit

from stackkit.api.errors import PluginError
from stackkit.host.component import Component
from stackkit.host.host import Host, PluginRecord, load_host

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
        ("aggregator", "soft-vote/soft-vote"),
    }


def test_an_installed_stranger_is_found_with_its_distribution_and_version(site: Site) -> None:
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
            "import a_module_that_nobody_has",
            "import",
            "ModuleNotFoundError: No module named 'a_module_that_nobody_has'",
            id="its import fails",
        ),
        pytest.param("def broken(:", "import", "SyntaxError: invalid syntax", id="it is no Python"),
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
            "stackkit_learners answered str records; LearnerSpec is wanted",
            id="its hook answers text",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners():\n"
            "    return [BackboneSpec(name='a', summary='', factory='a:b')]",
            "specs",
            "stackkit_learners answered BackboneSpec records; LearnerSpec is wanted",
            id="its hook answers another kind",
        ),
        pytest.param(
            HOOK_HEAD + "class Mine(LearnerSpec): kind = 'dataset'\n@hookimpl\n"
            "def stackkit_learners(): return [Mine(name='a', summary='', factory='a:b')]",
            "specs",
            "stackkit_learners answered Mine records; LearnerSpec is wanted",
            id="its spec passes itself off as another kind",
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
            "stackkit_learners answered int; a list of LearnerSpec is wanted",
            id="its hook answers no list",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners(): [].append('forgotten return')",
            "specs",
            "stackkit_learners answered None; a list of LearnerSpec is wanted",
            id="its hook forgets to answer",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_learners():\n"
            "    return [LearnerSpec(name='a', summary='', factory='a:b')] * 2",
            "specs",
            "stackkit_learners offers two learners called 'a'",
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
            "unknown hook stackkit_backbons; stackkit asks stackkit_datasets, stackkit_backbones,",
            id="its hook is unknown",
        ),
        pytest.param(
            HOOK_HEAD + "@hookimpl\ndef stackkit_backbones(folder): return []",
            "register",
            "PluginValidationError: Plugin 'broken' for hook 'stackkit_backbones'",
            id="its hook wants what nobody hands over",
        ),
    ],
)
def test_a_broken_plugin_is_reported_and_costs_nobody_else_anything(
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


def test_a_plugin_object_that_cannot_be_hashed_or_compared_harms_nobody(site: Site) -> None:
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


def test_an_entry_point_that_leads_nowhere_is_reported(site: Site) -> None:
    site.declare("ghost", {"gone": "no_such_module", "torn": "not a module!"})
    host = load_host()
    assert record(host, "gone").error == "ModuleNotFoundError: No module named 'no_such_module'"
    assert record(host, "torn").stage == "import"


def test_a_half_removed_distribution_is_survived(site: Site) -> None:
    site.install("gone", OFFERS_COLOURS)
    site.install("acme", OFFERS_COLOURS)
    (site.folder / "gone-1.0.dist-info" / "METADATA").unlink()
    (site.folder / "gone.py").unlink()
    host = load_host()
    assert (record(host, "gone").distribution, record(host, "gone").stage) == ("unknown", "import")
    assert of(host, "acme") == ["acme/colours"]


def test_two_strangers_with_one_plugin_name_are_both_refused_and_both_named(site: Site) -> None:
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


def test_a_stranger_that_takes_a_built_ins_name_is_refused_and_the_built_in_survives(site: Site) -> None:
    before = load_host()
    site.install("acme-vision", OFFERS_COLOURS, plugin="logistic")
    host = load_host()
    assert record(host, "logistic", "stackkit").status == "ok"
    assert own(host) == own(before)
    assert record(host, "logistic", "acme-vision").error == (
        "stackkit has a plugin 'logistic' of its own; acme-vision must rename its plugin"
    )
    assert of(host, "acme-vision") == []


def test_a_plugin_name_that_no_command_line_could_hold_is_refused(site: Site) -> None:
    site.install("acme", OFFERS_COLOURS, plugin="my, plugin")
    refused = record(load_host(), "my, plugin")
    assert refused.error == "'my, plugin' cannot be typed; a name is letters, digits, '.', '_', '-'"


def test_two_strangers_may_offer_components_of_one_name(site: Site) -> None:
    site.install("acme", OFFERS_COLOURS)
    site.install("zenith", OFFERS_COLOURS)
    host = load_host()
    assert record(host, "acme").status == record(host, "zenith").status == "ok"
    assert of(host, "acme", "zenith") == ["acme/colours", "zenith/colours"]


def test_stackkit_plugins_loads_only_the_strangers_it_names(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acme", "zenith", "broken"):
        site.install(name, "raise RuntimeError" if name == "broken" else OFFERS_COLOURS)
    everything = load_host()
    monkeypatch.setenv("STACKKIT_PLUGINS", "zenith, unheard-of")
    host = load_host()
    strangers = [plugin.name for plugin in host.plugins if plugin.distribution != "stackkit"]
    assert strangers == ["zenith"]
    assert own(host) == own(everything)


def test_an_empty_stackkit_plugins_leaves_the_built_ins_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("acme", OFFERS_COLOURS)
    monkeypatch.setenv("STACKKIT_PLUGINS", "")
    host = load_host()
    assert {plugin.distribution for plugin in host.plugins} == {"stackkit"}
    assert own(host)


def test_choosing_one_of_two_clashing_strangers_does_not_settle_the_clash(
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


def test_answers_are_sorted_and_stackkits_own_plugins_come_first(site: Site) -> None:
    site.install("aardvark", OFFERS_COLOURS)
    host = load_host()
    order = [(component.kind, component.qualified_name) for component in host.components]
    assert order == sorted(order)
    names = [plugin.name for plugin in host.plugins if plugin.distribution == "stackkit"]
    assert names == sorted(own_entry_points())
    assert host.plugins[len(names)].name == "aardvark"


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_entry_points_means_nothing(crowd: list[EntryPoint], data: st.DataObject) -> None:
    assert load_host(data.draw(st.permutations(crowd))) == load_host(crowd)


@pytest.fixture
def crowd(site: Site) -> list[EntryPoint]:
    """Good, broken and clashing strangers beside stackkit's own plugins."""
    for name in ("acme", "zenith"):
        site.install(name, OFFERS_COLOURS)
        site.install(f"{name}-vision", OFFERS_COLOURS, plugin="vision")
    site.install("broken", "raise RuntimeError")
    site.install("thief", OFFERS_COLOURS, plugin="soft-vote")
    return list(entry_points(group="stackkit"))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"[stackkit]\nbroken = b\xff\n"),
        ("entry_points.txt", b"[stackkit]\nbroken\n"),
        ("METADATA", b"Metadata-Version: 2.1\nName: b\xff\nVersion: 1\n"),
    ],
)
def test_metadata_that_cannot_be_read_cost_only_their_distribution(
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
    assert broken.error.startswith("its metadata cannot be read (")
    assert broken.error.endswith(f"install it anew, or remove {folder}")
    assert own(host) == before
    assert of(host, "acme") == ["acme/colours"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def stackkit_backbones(): return []", "stackkit_backbones lacks @hookimpl and is not asked"),
        ("x = 1", "has no hook, so that it offers nothing; stackkit asks stackkit_datasets, "),
    ],
)
def test_a_plugin_that_is_asked_nothing_is_warned(site: Site, code: str, said: str) -> None:
    site.install("acme", code)
    acme = record(load_host(), "acme")
    (warning,) = acme.warnings
    assert (acme.status, warning.stage) == ("warned", "register")
    assert warning.reason.startswith(said)


def test_a_hook_that_is_a_coroutine_is_answered_wrongly(
    site: Site, recwarn: pytest.WarningsRecorder
) -> None:
    site.install("acme", HOOK_HEAD + "@hookimpl\nasync def stackkit_backbones(): return []")
    acme = record(load_host(), "acme")
    assert acme.error == "stackkit_backbones answered coroutine; a list of BackboneSpec is wanted"
    assert not list(recwarn)
