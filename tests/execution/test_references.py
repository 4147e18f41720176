"""Workers that live longer than one command: each command finds the plugins that it was started with."""

import hashlib
from dataclasses import replace

import pytest
from support.installing import site_with_stackkit
from support.toys_on_workers import PLUGIN, forget_plugins

from stackkit.api.errors import PluginError
from stackkit.execution.references import ComponentReference, host_settings, worker_host
from stackkit.host.registry import Registry
from stackkit.utils.versions import source_digest


@pytest.fixture(autouse=True)
def no_plugins_remain():
    yield
    forget_plugins()


def named(path, monkeypatch):
    """The settings and the component of a command with a plugin in a single file."""
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(path))
    settings = host_settings()
    component = Registry(host=worker_host(settings, again=True)).one("backbone", "quarters")
    return settings, ComponentReference.of(component)


def test_the_next_command_may_name_an_edited_plugin_or_another_one_of_the_same_name(
    tmp_path, monkeypatch
):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "worker_toys.py").write_text(PLUGIN)
    path = tmp_path / "one" / "worker_toys.py"
    settings, reference = named(path, monkeypatch)
    old = worker_host(settings)
    path.write_text(f"{PLUGIN}\n# edited")
    edited = ComponentReference.of(
        Registry(host=worker_host(settings, again=True)).one("backbone", "quarters")
    )
    with pytest.raises(PluginError, match="must be the same file there"):
        edited.resolve(old)
    assert edited.resolve_on_worker(settings).component.version == edited.version
    with pytest.raises(PluginError, match="must be the same file there"):
        reference.resolve_on_worker(settings)
    settings, other = named(tmp_path / "two" / "worker_toys.py", monkeypatch)
    assert other.resolve_on_worker(settings).component.distribution.startswith(str(tmp_path / "two"))


def test_a_worker_whose_installed_plugin_is_exchanged_still_says_what_it_runs(tmp_path, monkeypatch):
    with site_with_stackkit(tmp_path, monkeypatch) as site:
        code = """
            from stackkit.api import LearnerSpec, hookimpl

            @hookimpl
            def stackkit_learners():
                return [LearnerSpec(name="upgraded", summary="", factory="upgraded_toy:Learner")]
        """
        site.install("upgraded-toy", code)
        worker_host(host_settings(), again=True)
        path = tmp_path / "upgraded_toy.py"
        ran = path.read_bytes()
        path.write_bytes(ran + b"\n# a newer version")
        assert source_digest("upgraded_toy") == hashlib.blake2b(ran, digest_size=16).hexdigest()


def test_weights_of_a_model_reach_workers_that_see_their_file(tmp_path, monkeypatch):
    monkeypatch.delenv("STACKKIT_PLUGIN_FILES", raising=False)
    host = worker_host(host_settings(), again=True)
    network = Registry(host=host).one("backbone", "efficientnet-lite0:views=attention")
    files = [tmp_path / "weights", tmp_path / "weights of boxes"]
    for each in files:
        each.touch()
    boxes = replace(network.boxes, weights_file=files[1])
    reference = ComponentReference.of(replace(network, weights_file=files[0], boxes=boxes))
    found = reference.resolve(host)
    assert [found.weights_file, found.boxes.weights_file] == files
    assert found == network
    files[0].unlink()
    assert reference.resolve(host).weights_file is None
    assert ComponentReference.of(network).resolve(host).weights_file is None
