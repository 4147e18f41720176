"""Each promise of a plugin, and of how components are described, is broken by a toy of its own."""

from textwrap import dedent

import pytest
from support.installing import Site

from stackkit.api.errors import UsageError
from stackkit.testing.cases import Wish, cases
from stackkit.testing.checks import component, plugin
from stackkit.testing.discovery import find

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
    "pure-hooks": "    import os\n    os.environ['TOY'] = '1'\n" + LISTING,
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


@pytest.fixture
def loads():
    """What becomes of the first promise of a plugin."""
    return lambda name: cases(name, Wish())[0].judge()


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
        if __import__("sys").argv[0].endswith("child_process.py"):
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


@pytest.mark.parametrize(
    ("code", "found", "remedy"),
    [
        ("import nosuch", "No module named 'nosuch'", "install nosuch and name it in dependencies"),
        ("def half(:", "SyntaxError", "correct the line that is named"),
        ("1 / 0", "ZeroDivisionError", "mend what the module does when it is imported"),
        (
            "from stackkit.api import hookimpl\n@hookimpl\ndef stackkit_learner():\n    return []",
            "unknown hook stackkit_learner",
            "name the functions below @hookimpl as stackkit asks for them",
        ),
        (
            "from stackkit.api import hookimpl\n@hookimpl\ndef stackkit_learners():\n    return 1 / 0",
            "failed at hook",
            "mend what the hook does",
        ),
        ("STACKKIT_HOOKSPEC_VERSION = 99", "99", "upgrade stackkit"),
        (LISTING.replace("@hookimpl", ""), "add @hookimpl above", "put @hookimpl above"),
    ],
)
def test_what_to_do_belongs_to_the_stage_that_failed(site: Site, loads, code, found, remedy):
    site.install("stackkit-toy", code, plugin="toy")
    verdict = loads("toy")
    assert found in verdict.found
    assert verdict.remedy.startswith(remedy)


def test_a_plugin_for_another_stackkit_says_what_to_do(site: Site, loads):
    site.install("stackkit-toy", LISTING, plugin="toy", requires=["stackkit>=99"])
    assert "install a stackkit that fits" in loads("toy").remedy


@pytest.mark.parametrize("value", ["stackkit_tyo", "stackkit_toy:plugin", "stackkit_toy.tyo"])
def test_a_wrong_entry_point_is_quoted_with_its_remedy(site: Site, loads, value):
    (site.folder / "stackkit_toy").mkdir()
    (site.folder / "stackkit_toy" / "__init__.py").write_text("", encoding="utf-8")
    site.declare("stackkit-toy", {"toy": value})
    assert loads("toy").remedy == (
        f'entry point toy = "{value}" in pyproject.toml names it: correct that line and install it again'
    )


@pytest.mark.parametrize("group", ["stackkits", "stackkit.plugins"])
def test_an_entry_point_in_another_group_is_found_by_nobody_and_said_so(site: Site, loads, group):
    site.install("stackkit-toy", LISTING, plugin="toy")
    (points,) = site.folder.glob("stackkit_toy-*/entry_points.txt")
    points.write_text(f"[{group}]\ntoy = stackkit_toy\n", encoding="utf-8")
    verdict = loads("stackkit_toy")
    assert "has no entry point in the group 'stackkit' for stackkit_toy" in verdict.found
    assert f"its groups: '{group}'" in verdict.found
    assert '[project.entry-points.stackkit] stackkit_toy = "stackkit_toy"' in verdict.remedy
    with pytest.raises(UsageError, match="is installed and has no entry point in the group 'stackkit'"):
        find("stackkit-toy")


def test_a_module_of_an_installed_plugin_is_that_plugin(site: Site):
    (site.folder / "stackkit_toy.py").write_text(
        dedent(LISTING) + "\nclass Hooks:\n    pass\n", encoding="utf-8"
    )
    site.declare("stackkit-toy", {"toy": "stackkit_toy:Hooks"})
    assert [target.name for target in find("stackkit_toy")] == ["toy"]
