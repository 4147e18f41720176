"""`conformance` in an author's test file and `stackkit check-plugin` give the same verdicts."""

import json
import subprocess
import sys
import threading
from textwrap import dedent

import pytest
from support.environments import ALONE
from support.installing import Site

import stackkit.testing
from stackkit.api.errors import UsageError
from stackkit.cli import main
from stackkit.testing import CheckFailedError, conformance
from stackkit.testing.cases import Selection, cases
from stackkit.testing.check import Check, run_check
from stackkit.testing.discovery import find

TRAINING_MODE = """
    class Made(Sound):
        def extract(self, images):
            features = super().extract(images)
            return features - features.mean(axis=0)
"""


def outcomes(test) -> dict[str, str]:
    """Run the cases of `conformance` here; {case id: "passed", or the text of what it raises}."""
    (mark,) = test.pytestmark
    found = {}
    for parameter in mark.args[1]:
        try:
            test(*parameter.values)
        except (CheckFailedError, pytest.skip.Exception) as error:
            found[parameter.id] = str(error)
        else:
            found[parameter.id] = "passed"
    return found


def test_a_test_file_of_one_line_has_a_case_for_every_check(toy, site: Site):
    toy("backbone", TRAINING_MODE)
    file = site.folder / "test_author.py"
    known = {"row-independence": "issue 7", "toy:readiness": "it passes"}
    file.write_text(
        "from stackkit.testing import conformance\n"
        f"test_mine = conformance('toy')\ntest_known = conformance('toy', known={known})\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(file)],
        cwd=site.folder,
        env=ALONE | {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    passed, failed = (
        {line.split("::")[1].split(" ")[0] for line in done.stdout.splitlines() if line.startswith(word)}
        for word in ("PASSED", "FAILED")
    )
    assert failed == {
        "test_mine[backbone:toy:row-independence]",
        "test_known[backbone:toy:readiness]",  # a known failure must fail
    }
    assert {"test_mine[plugin:toy:light-import]", "test_mine[backbone:toy:readiness]"} <= passed
    every = cases("toy", Selection())
    assert len(passed) == 2 * len(every) - 5  # twice without row-independence and runs, and readiness
    assert "XFAIL test_author.py::test_known[backbone:toy:row-independence] - issue 7" in done.stdout
    assert "Remedy: put the network into inference mode" in done.stdout


def test_a_known_failure_must_be_a_check(toy):
    toy("backbone")
    with pytest.raises(UsageError, match="known='row-independance' is not a check of toy"):
        conformance("toy", known={"row-independance": "misspelt"})


def test_options_reach_the_component(toy):
    toy("backbone", TRAINING_MODE.replace("return features -", "return features - self.seed *"))
    found = outcomes(conformance("toy", options={"toy": {"seed": 3}}))
    assert "has other features" in found["backbone:toy:row-independence"]


def test_a_component_that_cannot_be_made_is_skipped_and_with_options_for_it_fails(toy, tmp_path):
    def create(test) -> None:
        (mark,) = test.pytestmark
        (case,) = (each for each in mark.args[1] if each.id == "dataset:toy:creation")
        test(*case.values)

    toy("dataset")
    with pytest.raises(pytest.skip.Exception, match="root= is required"):
        create(conformance("toy"))
    options = {"toy": {"root": str(tmp_path / "nothing")}}
    with pytest.raises(CheckFailedError, match=r"options= of conformance: .*nothing not found; pass"):
        create(conformance("toy", options=options))


@pytest.mark.parametrize(
    ("old", "new"),
    [("Promise", "Check"), ("BrokenError", "CheckFailedError"), ("SkippedError", "CheckSkippedError")],
)
def test_old_names_are_deprecated(old, new):
    with pytest.warns(FutureWarning, match=f"{old} is deprecated; use {new}"):
        assert getattr(stackkit.testing, old) is getattr(stackkit.testing, new)


@pytest.mark.parametrize("name", ["toy", "stackkit_toy", "stackkit-toy", "Stackkit_Toy"])
def test_a_plugin_is_found_by_plugin_module_or_distribution_name(toy, name):
    toy("learner")
    assert [(target.name, target.module) for target in find(name)] == [("toy", "stackkit_toy")]


def test_a_module_can_be_checked_before_it_is_installed(site):
    (site.folder / "loose.py").write_text("", encoding="utf-8")
    assert [target.name for target in find("loose")] == ["loose"]


@pytest.mark.parametrize("name", ["unknown", "un known", "un.known"])
def test_an_unknown_name_is_refused(site, name):
    with pytest.raises(UsageError, match="is it installed"):
        find(name)


@pytest.mark.parametrize(
    ("selected", "words"),
    [
        (Selection(components=["toi"]), "unknown component 'toi'; expected one of toy"),
        (Selection(options={"toy": {"sead": 1}}), "toy has no option 'sead'; its options: seed"),
    ],
)
def test_unknown_components_and_options_are_refused(toy, selected, words):
    toy("learner")
    with pytest.raises(UsageError, match=words):
        cases("toy", selected)


def test_the_command_shows_what_fails_and_what_to_do(toy, capsys):
    toy("backbone", TRAINING_MODE)
    assert main(["check-plugin", "toy"]) == 4
    lines = capsys.readouterr().out.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("FAILED"))
    assert lines[at].startswith("FAILED   backbone:toy:row-independence  with other images in its batch")
    assert lines[at + 1].startswith("         remedy: put the network into inference mode")
    assert "passed   backbone:toy:finite-features" in lines
    assert lines[-1] == "toy: 12 passed, 1 failed, 1 skipped"


def test_the_command_prints_json_for_programs(toy, capsys):
    toy("learner")
    assert main(["check-plugin", "stackkit_toy", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    skipped = [entry["check"] for entry in document["checks"] if entry["verdict"] != "passed"]
    assert skipped == [
        *("saved-state", "restored-answers", "damaged-state"),
        *("stored-rows", "update", "onnx-answers"),
    ]
    first = document["checks"][0]
    assert {key: first[key] for key in ("id", "kind", "component", "check")} == {
        "id": "plugin:toy:loads",
        "kind": "plugin",
        "component": "toy",
        "check": "loads",
    }


def test_the_command_takes_components_as_users_write_them(toy, capsys):
    toy("backbone", TRAINING_MODE.replace("return features -", "return features - self.seed *"))
    assert main(["check-plugin", "toy", "--component", "toy:seed=3"]) == 4
    assert main(["check-plugin", "toy", "--component", "toy:seed=x"]) == 2
    assert main(["check-plugin", "toy", "--component", "toy:sead=3"]) == 2
    assert "toy has no option 'sead'; its options: seed" in capsys.readouterr().err


def test_a_plugin_that_does_not_load_fails_a_check(site, capsys):
    site.install("stackkit-toy", "raise RuntimeError('no wheels')", plugin="toy")
    assert main(["check-plugin", "toy"]) == 4
    expected = "FAILED   plugin:toy:loads  failed at import: RuntimeError: no wheels"
    assert expected in capsys.readouterr().out


NEVER_MADE = """
    from stackkit.api import UsageError

    class Made(Sound):
        def __init__(self, *, seed):
            if seed == 0:
                raise UsageError("seed must be above 0")
            super().__init__(seed=seed)
"""


def test_a_component_that_was_not_tested_does_not_pass(toy, capsys):
    toy("backbone", NEVER_MADE)
    assert main(["check-plugin", "toy"]) == 2
    shown = capsys.readouterr()
    reason, line = shown.out.splitlines()[-2:]
    assert reason.startswith("backbone:toy was not tested: ")
    assert "seed must be above 0" in reason
    assert line == "toy: 6 passed, 0 failed, 8 skipped; NOT TESTED: backbone:toy"
    assert "--component NAME:key=value" in shown.err
    assert main(["check-plugin", "toy", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert "seed must be above 0" in document["not_tested"]["backbone:toy"]


def test_with_the_required_options_it_is_tested(toy, capsys):
    toy("backbone", NEVER_MADE)
    assert main(["check-plugin", "toy", "--component", "toy:seed=3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_tested"] == {}


def test_a_failure_decides_the_exit_code_even_if_a_component_was_not_tested(toy, site: Site):
    toy("backbone", NEVER_MADE)
    plugin = site.folder / "stackkit_toy.py"
    plugin.write_text("import numpy\n" + plugin.read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["check-plugin", "toy"]) == 4


def test_a_case_of_pytest_has_a_time_limit(toy):
    slow = """
        import time

        class Made(Sound):
            def extract(self, images):
                time.sleep(5 if len(images) == 40 else 0)
                return super().extract(images)
    """
    toy("backbone", slow)
    test = conformance("toy", time_limit=0.5)
    (mark,) = test.pytestmark
    by_id = {parameter.id: parameter.values[0] for parameter in mark.args[1]}
    by_id["backbone:toy:repeatability"].verdict(None)  # which the next check builds on, and imports much
    with pytest.raises(CheckFailedError, match=r"no answer within 0\.5 s"):
        test(by_id["backbone:toy:row-independence"])


def test_a_check_that_takes_too_long_fails():
    event = threading.Event()
    hanging = Check(name="x", sentence="", remedy="", function=lambda event: event.wait(60))
    verdict = run_check(hanging, event, 0.05)
    event.set()
    assert (verdict.status, verdict.found) == ("FAILED", "no answer within 0.05 s")


ONE_FILE = """
    from stackkit.api import BackboneSpec, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [BackboneSpec(name="toy", summary="mean of each channel", factory="toyfile:Mean")]

    class Mean:
        image_size, feature_dim, revision, trained = 64, 3, "1", True

        def extract(self, images):
            return images.mean(axis=(1, 2)).astype("float32")
"""


@pytest.fixture
def toyfile(site, tmp_path_factory):
    """A plugin in a single file, in a folder that Python does not search."""
    file = tmp_path_factory.mktemp("files") / "toyfile.py"
    file.write_text(dedent(ONE_FILE), encoding="utf-8")
    yield file
    sys.modules.pop("toyfile", None)


SOUND = "toyfile: 12 passed, 0 failed, 2 skipped"


def test_a_single_file_is_checked_by_its_path(toyfile, capsys, monkeypatch):
    monkeypatch.chdir(toyfile.parent)
    assert main(["check-plugin", "./toyfile.py"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == SOUND.replace("toyfile", "./toyfile.py", 1)
    for path in (str(toyfile), "toyfile.py"):
        assert [target.file for target in find(path)] == [str(toyfile)]


@pytest.mark.parametrize("how", ["--plugin", "--plugins-dir", "STACKKIT_PLUGIN_FILES"])
def test_a_loaded_single_file_is_checked_by_its_name(toyfile, capsys, monkeypatch, how):
    given = {"--plugin": [how, str(toyfile)], "--plugins-dir": [how, str(toyfile.parent)]}.get(how, [])
    if not given:
        monkeypatch.setenv(how, str(toyfile))
    assert main([*given, "check-plugin", "toyfile"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == SOUND


def test_a_single_file_is_checked_by_pytest(toyfile):
    found = outcomes(conformance(str(toyfile)))
    assert list(found.values()).count("passed") == 12
    assert found["backbone:toy:repeatability"] == "passed"


def test_a_missing_file_is_refused(site):
    with pytest.raises(UsageError, match=r"there is no file nowhere\.py"):
        find("nowhere.py")


def test_a_check_that_builds_on_a_failed_one_is_skipped_and_names_it(toy, capsys):
    toy("backbone", "class Made(Sound):\n    def extract(self, images):\n        raise KeyError('w')\n")
    assert main(["check-plugin", "toy"]) == 4
    shown = capsys.readouterr().out
    assert "skipped  backbone:toy:row-independence  fix feature-width first" in shown
    assert "remedy: fix extract" in shown
