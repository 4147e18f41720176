"""Each check of a plugin finds a toy with one fault, and a plugin that does not load gets a remedy."""

from textwrap import dedent, indent

import pytest
from support.installing import Site

from stackkit.api.errors import UsageError
from stackkit.testing.cases import Selection, cases
from stackkit.testing.checks import plugin
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
}

IMPURE = {
    "os.environ": "import os; os.environ['TOY'] = '1'",
    "sys.path": "import sys; sys.path.append('toys')",
    "wrote": "open('toy.txt', 'w').close()",
    "printed": "print('Toy, version 1')",
    "used the network": """
        import contextlib, socket
        with contextlib.suppress(OSError):
            socket.getaddrinfo("localhost", 9)
    """,
}


@pytest.fixture
def loads():
    """Run the first check of a plugin."""
    return lambda name: cases(name, Selection())[0].verdict()


def test_a_sound_plugin_passes(toy, failed):
    toy("learner")
    assert failed(of_plugin=True) == {}


def test_every_check_has_its_toy():
    assert list(BROKEN_PLUGINS) == [check.name for check in plugin.CHECKS]


@pytest.mark.parametrize("check", BROKEN_PLUGINS)
def test_only_the_faulty_property_of_a_plugin_is_found(site: Site, failed, check):
    site.install("stackkit-toy", BROKEN_PLUGINS[check], plugin="toy")
    assert list(failed(of_plugin=True)) == [check]


@pytest.mark.parametrize("what", IMPURE)
def test_the_actions_of_an_impure_plugin_are_named(site: Site, failed, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    in_child = 'if __import__("sys").argv[0].endswith("child_process.py"):\n'
    code = in_child + indent(dedent(IMPURE[what]), "    ") + "\n" + dedent(LISTING)
    site.install("stackkit-toy", code, plugin="toy")
    (fault,) = failed(of_plugin=True).items()
    assert fault[0] == "pure-hooks"
    assert what in fault[1]


@pytest.mark.parametrize(
    "fault",
    [
        {"factory": "'toy_work:Maid'"},
        {"unavailable_reason": "'toy_work:reason'"},
        {"options": "(Option(name='sead', default=0, help='of the shuffle'),)"},
    ],
)
def test_a_component_that_the_host_cannot_make_fails_creation(toy, failed, fault):
    toy("learner", **fault)
    assert list(failed()) == ["creation"]


@pytest.mark.parametrize(
    ("code", "found", "remedy"),
    [
        ("import nosuch", "No module named 'nosuch'", "install nosuch and add it to dependencies"),
        ("def half(:", "SyntaxError", "correct the line that the error names"),
        ("1 / 0", "ZeroDivisionError", "fix what the module does when it is imported"),
        (
            "from stackkit.api import hookimpl\n@hookimpl\ndef stackkit_learner():\n    return []",
            "unknown hook stackkit_learner",
            "give the functions below @hookimpl the names of stackkit's hooks",
        ),
        (
            "from stackkit.api import hookimpl\n@hookimpl\ndef stackkit_learners():\n    return 1 / 0",
            "failed at hook",
            "fix what the hook does",
        ),
        ("STACKKIT_HOOKSPEC_VERSION = 99", "99", "upgrade stackkit"),
        (LISTING.replace("@hookimpl", ""), "it offers no component: ", "put @hookimpl above"),
    ],
)
def test_the_remedy_fits_the_stage_that_failed(site: Site, loads, code, found, remedy):
    site.install("stackkit-toy", code, plugin="toy")
    verdict = loads("toy")
    assert found in verdict.found
    assert verdict.remedy.startswith(remedy)


def test_a_plugin_for_another_stackkit_gets_a_remedy(site: Site, loads):
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
@pytest.mark.parametrize("name", ["stackkit_toy", "stackkit-toy"])
def test_a_distribution_without_an_entry_point_for_stackkit_is_refused(site: Site, group, name):
    site.install("stackkit-toy", LISTING, plugin="toy")
    (points,) = site.folder.glob("stackkit_toy-*/entry_points.txt")
    points.write_text(f"[{group}]\ntoy = stackkit_toy\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is installed but has no entry point in the group 'stackkit'"):
        find(name)


def test_a_module_of_an_installed_plugin_is_that_plugin(site: Site):
    (site.folder / "stackkit_toy.py").write_text(
        dedent(LISTING) + "\nclass Hooks:\n    pass\n", encoding="utf-8"
    )
    site.declare("stackkit-toy", {"toy": "stackkit_toy:Hooks"})
    assert [target.name for target in find("stackkit_toy")] == ["toy"]
