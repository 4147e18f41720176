"""One line in an author's test file, and `stackkit check-plugin`: the same verdicts."""

import json
import subprocess
import sys
from textwrap import dedent

import pytest
from support.installing import Site

from stackkit.api.errors import UsageError
from stackkit.cli import main
from stackkit.testing.cases import Wish, cases
from stackkit.testing.check import Check, judge_within
from stackkit.testing.discovery import find

UNTRAINED_MODE = """
    class Made(Sound):
        def extract(self, images):
            features = super().extract(images)
            return features - features.mean(axis=0)
"""


@pytest.fixture
def pytest_on(site: Site):
    """Run pytest, as authors do, on a file with these lines."""

    def run(lines: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        file = site.folder / "test_author.py"
        file.write_text("from stackkit.testing import conformance\n" + dedent(lines), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(file)]
        environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [*command, *arguments],
            cwd=site.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_test_file_of_one_line_has_a_case_for_every_promise(toy, pytest_on):
    toy("backbone", UNTRAINED_MODE)
    done = pytest_on("test_mine = conformance('toy')")
    assert done.returncode == 1
    passed, failed = (
        {line.split("[")[1].split("]")[0] for line in done.stdout.splitlines() if line.startswith(word)}
        for word in ("PASSED", "FAILED")
    )
    assert failed == {"backbone:toy:row-independence"}
    assert {"plugin:toy:light-import", "backbone:toy:thread-safety"} <= passed
    assert len(passed) == len(cases("toy", Wish())) - 2  # runs is skipped
    assert "Remedy: put the network into inference mode" in done.stdout


def test_a_known_failure_with_a_reason_must_fail(toy, pytest_on):
    toy("backbone", UNTRAINED_MODE)
    known = "test_mine = conformance('toy', known={'row-independence': 'issue 7', 'toy:readiness': 'x'})"
    done = pytest_on(known)
    assert "XFAIL test_author.py::test_mine[backbone:toy:row-independence] - issue 7" in done.stdout
    assert "FAILED test_author.py::test_mine[backbone:toy:readiness]" in done.stdout
    assert done.stdout.count("\nFAILED ") == 1


def test_a_known_failure_that_is_no_promise_is_refused(toy, pytest_on):
    toy("backbone")
    done = pytest_on("test_mine = conformance('toy', known={'row-independance': 'typed wrong'})")
    assert "known='row-independance' is no promise of toy" in done.stdout


def test_options_reach_the_component(toy, pytest_on):
    toy("backbone", UNTRAINED_MODE.replace("return features -", "return features - self.seed *"))
    lines = "test_mine = conformance('toy', options={'toy': {'seed': 3}})"
    assert "FAILED test_author.py::test_mine[backbone:toy:row-independence]" in pytest_on(lines).stdout


@pytest.mark.parametrize("name", ["toy", "stackkit_toy", "stackkit-toy", "Stackkit_Toy"])
def test_a_plugin_is_found_by_its_own_its_modules_or_its_distributions_name(toy, name):
    toy("learner")
    assert [(target.name, target.module) for target in find(name)] == [("toy", "stackkit_toy")]


def test_a_module_can_be_checked_before_it_is_installed(site):
    (site.folder / "loose.py").write_text("", encoding="utf-8")
    assert [target.name for target in find("loose")] == ["loose"]


@pytest.mark.parametrize("name", ["nobody", "no body", "no.body"])
def test_a_name_that_nobody_has_is_refused(site, name):
    with pytest.raises(UsageError, match="is it installed"):
        find(name)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(components=["toi"]), "no component is called 'toi'; there is toy"),
        (Wish(options={"toy": {"sead": 1}}), "toy has no option 'sead'; it has seed"),
    ],
)
def test_wishes_that_mean_nothing_are_refused(toy, wish, words):
    toy("learner")
    with pytest.raises(UsageError, match=words):
        cases("toy", wish)


def test_the_command_says_what_is_broken_and_what_to_do(toy, capsys):
    toy("backbone", UNTRAINED_MODE)
    assert main(["check-plugin", "toy"]) == 4
    lines = capsys.readouterr().out.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("BROKEN"))
    assert lines[at].startswith("BROKEN   backbone:toy:row-independence  with other neighbours")
    assert lines[at + 1].startswith("         remedy: put the network into inference mode")
    assert "kept     backbone:toy:finite-features" in lines
    assert lines[-1] == "toy: 21 kept, 1 broken, 1 skipped"


def test_the_command_has_a_document_for_programs(toy, capsys):
    toy("learner")
    assert main(["check-plugin", "stackkit_toy", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {entry["verdict"] for entry in document["promises"]} == {"kept"}
    assert document["promises"][0]["id"] == "plugin:toy:loads"


def test_the_command_takes_components_as_users_write_them(toy, capsys):
    toy("backbone", UNTRAINED_MODE.replace("return features -", "return features - self.seed *"))
    assert main(["check-plugin", "toy", "--component", "toy:seed=3"]) == 4
    assert main(["check-plugin", "toy", "--component", "toy:seed=x"]) == 2
    assert main(["check-plugin", "toy", "--component", "toy:sead=3"]) == 2
    assert "toy has no option 'sead'; it has seed" in capsys.readouterr().err


def test_a_plugin_that_does_not_load_is_a_verdict(site, capsys):
    site.install("stackkit-toy", "raise RuntimeError('no wheels')", plugin="toy")
    assert main(["check-plugin", "toy"]) == 4
    assert (
        "BROKEN   plugin:toy:loads  failed at import: RuntimeError: no wheels" in capsys.readouterr().out
    )


NEVER_MADE = """
    from stackkit.api import UsageError

    class Made(Sound):
        def __init__(self, *, seed):
            if seed == 0:
                raise UsageError("seed=0 has no luck")
            super().__init__(seed=seed)
"""


def test_a_component_of_which_nothing_was_tried_is_no_sound_one(toy, capsys):
    toy("backbone", NEVER_MADE)
    assert main(["check-plugin", "toy"]) == 2
    shown = capsys.readouterr()
    reason, line = shown.out.splitlines()[-2:]
    assert reason.startswith("nothing of backbone:toy was tried: ")
    assert "seed=0 has no luck" in reason
    assert line == "toy: 10 kept, 0 broken, 13 skipped; NOT TRIED: backbone:toy"
    assert "--component NAME:key=value" in shown.err
    assert main(["check-plugin", "toy", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert "seed=0 has no luck" in document["not_tried"]["backbone:toy"]


def test_with_what_it_wants_it_is_tried(toy, capsys):
    toy("backbone", NEVER_MADE)
    assert main(["check-plugin", "toy", "--component", "toy:seed=3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_tried"] == {}


def test_what_is_broken_is_told_before_what_was_not_tried(toy):
    toy("backbone", NEVER_MADE, summary="'a toy ' * 17")
    assert main(["check-plugin", "toy"]) == 4


def test_a_case_of_pytest_has_a_time_limit_too(toy, pytest_on):
    slow = """
        import time

        class Made(Sound):
            def extract(self, images):
                time.sleep(60 if len(images) == 40 else 0)
                return super().extract(images)
    """
    toy("backbone", slow)
    done = pytest_on("test_mine = conformance('toy', time_limit=3)", "-k", "batch or finite")
    assert "no answer within 3 s" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


def test_a_promise_that_takes_too_long_is_broken():
    import threading

    hanging = Check(name="x", sentence="", remedy="", check=lambda event: event.wait(60))
    event = threading.Event()
    verdict = judge_within(0.05, hanging, event)
    event.set()
    assert (verdict.word, verdict.found) == ("BROKEN", "no answer within 0.05 s")


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


SOUND = "toyfile: 21 kept, 0 broken, 2 skipped"


def test_a_single_file_is_checked_by_its_path(toyfile, capsys, monkeypatch):
    monkeypatch.chdir(toyfile.parent)
    for path in (str(toyfile), "toyfile.py", "./toyfile.py"):
        assert main(["check-plugin", path]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == SOUND.replace("toyfile", path, 1)


@pytest.mark.parametrize("how", ["--plugin", "--plugins-dir", "STACKKIT_PLUGIN_FILES"])
def test_a_single_file_that_is_let_in_is_checked_by_its_name(toyfile, capsys, monkeypatch, how):
    given = {"--plugin": [how, str(toyfile)], "--plugins-dir": [how, str(toyfile.parent)]}.get(how, [])
    if not given:
        monkeypatch.setenv(how, str(toyfile))
    assert main([*given, "check-plugin", "toyfile"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == SOUND


def test_a_single_file_is_checked_by_pytest(toyfile, pytest_on):
    done = pytest_on(f"test_mine = conformance({str(toyfile)!r})")
    assert "21 passed, 2 skipped" in done.stdout
    assert "PASSED test_author.py::test_mine[backbone:toy:repeatability-across-processes]" in done.stdout


def test_a_file_that_is_not_there_is_refused(site):
    with pytest.raises(UsageError, match=r"there is no file nowhere\.py"):
        find("nowhere.py")


def test_what_builds_on_a_broken_promise_is_skipped_and_says_which(toy, capsys):
    toy("backbone", "class Made(Sound):\n    def extract(self, images):\n        raise KeyError('w')\n")
    assert main(["check-plugin", "toy"]) == 4
    shown = capsys.readouterr().out
    assert "skipped  backbone:toy:thread-safety  mend feature-width first" in shown
    assert "remedy: mend extract" in shown
