"""Each promise of a plugin, and of how components are described, is broken by a toy of its own."""

import pytest
from core.installing import Site

from stackkit.testing import component, plugin

LISTING = """
    from stackkit.api import LearnerSpec, hookimpl

    @hookimpl
    def stackkit_learners():
        return [LearnerSpec(name="toy", summary="a toy", factory="toy_work:Made")]
"""

BROKEN_PLUGINS = {
    "loads": """
        from stackkit.api import hookimpl

        @hookimpl
        def stackkit_learners():
            return ["a learner"]
    """,
    "light-import": "    import numpy\n" + LISTING,
    "pure-hooks": "    import warnings\n    warnings.simplefilter('ignore')\n" + LISTING,
    "repeatable-hooks": LISTING.replace('"a toy"', 'f"a toy of {os.getpid()}"').replace(
        "    from", "    import os\n    from", 1
    ),
    "offline-hooks": """
        import socket

        try:  # whether anybody answers or not
            socket.create_connection(("127.0.0.1", 9), timeout=1)
        except OSError:
            pass
    """.replace("        ", "    ")
    + LISTING,
}

IMPURE = {
    "os.environ": "import os; os.environ['TOY'] = '1'",
    "logg": "import logging; logging.basicConfig()",
    "sys.path": "import sys; sys.path.append('toys')",
    "writes": "open('toy.txt', 'w').close()",
    "printed": "print('Toy, version 1')",
}

BROKEN_COMPONENTS = {
    "summary-line": {"summary": "'a toy ' * 17"},
    "option-help": {"options": "(Option(name='seed', default=0, help=' '),)"},
    "option-defaults": {
        "options": "(Option(name='seed', default=0, help='s'),"
        " Option(name='top', default=1, type=float, help='an int'))"
    },
    "factory-text": {"factory": "'toy_work:Maid'"},
    "creation": {"options": "(Option(name='sead', default=0, help='of the shuffle'),)"},
}


def test_a_sound_plugin_breaks_nothing(toy, broken):
    toy("learner")
    assert broken(of_plugin=True) == {}


def test_every_promise_has_its_toy():
    assert list(BROKEN_PLUGINS) == [promise.name for promise in plugin.PROMISES]
    assert list(BROKEN_COMPONENTS) == [promise.name for promise in component.PROMISES]


@pytest.mark.parametrize("promise", BROKEN_PLUGINS)
def test_only_the_broken_promise_of_a_plugin_is_found(site: Site, broken, promise, monkeypatch):
    site.install("stackkit-toy", BROKEN_PLUGINS[promise], plugin="toy")
    import warnings

    with warnings.catch_warnings():
        assert list(broken(of_plugin=True)) == [promise]


@pytest.mark.parametrize("what", IMPURE)
def test_what_an_impure_plugin_does_is_said(site: Site, broken, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = f"""
        if __import__("sys").argv[0].endswith("probe.py"):
            {IMPURE[what]}
    """.replace("        ", "    ")
    site.install("stackkit-toy", code + LISTING, plugin="toy")
    found = broken(of_plugin=True)
    assert list(found) == ["pure-hooks"]
    assert what in found["pure-hooks"]


@pytest.mark.parametrize("promise", BROKEN_COMPONENTS)
def test_only_the_broken_promise_of_a_component_is_found(toy, broken, promise):
    code = """
        class Made(Sound):
            def __init__(self, *, seed=0, top=1.0):
                super().__init__(seed=seed)
                self.top = top
    """
    toy("learner", code, **BROKEN_COMPONENTS[promise])
    assert list(broken()) == [promise]
