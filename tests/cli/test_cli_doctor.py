"""`stackkit doctor` on installations that are broken for real, each in one way.

Doctor tries libraries and plugins in separate processes. That is slow, so a test runs only those that it
is about (`really`); the others are taken to be sound.
"""

import ast
import importlib
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from support.commands import HISTOGRAM, Command, Outcome, in_a_process, variables
from support.installing import REPOSITORY, Site
from support.machines import read_only

from stackkit.doctor import isolation
from stackkit.doctor.isolation import Diagnosis, diagnose
from stackkit.doctor.machine import HIDDEN, READ, READ_BY_LIBRARIES

GROUPS = (
    "versions",
    "requirements",
    "machine",
    "libraries",
    "folders",
    "plugins",
    "components",
    "variables",
)

TENSORFLOW = """
    from types import SimpleNamespace as Part
    __version__ = "2.99"
    nothing = lambda *args: None
    config = Part(
        list_physical_devices=lambda kind: [],
        threading=Part(get_intra_op_parallelism_threads=lambda: 0),
        experimental=Part(enable_tensor_float_32_execution=nothing),
    )
    sysconfig = Part(get_build_info=lambda: {"is_cuda_build": False})
    constant = nothing
"""


@pytest.fixture
def site(site: Site) -> Site:
    """The site, with a TensorFlow on it that is imported at once."""
    (site.folder / "tensorflow.py").write_text(dedent(TENSORFLOW))
    keras = "from types import SimpleNamespace as P; __version__ = '3.99'"
    (site.folder / "keras.py").write_text(f"{keras}; backend = P(backend=lambda: 'tensorflow')")
    return site


Really = Callable[..., None]


@pytest.fixture(autouse=True)
def really(monkeypatch: pytest.MonkeyPatch) -> Really:
    """A function that names the callables which doctor really calls in separate processes.

    The others are given the error that the test names, or none.
    """
    called, errors = set[str](), dict[str, str]()

    def stand_in(texts, limit_s, environ):
        ours = [text for text in texts if text.rpartition(":")[2] in called]
        found = diagnose(ours, limit_s, environ)
        return {
            text: found.get(text) or Diagnosis(error=errors.get(text.rpartition(":")[2], ""))
            for text in texts
        }

    monkeypatch.setattr("stackkit.doctor.plugins.diagnose", stand_in)

    def let(*names: str, **broken: str) -> None:
        called.update(names)
        errors.update(broken)

    return let


def finding(document: dict[str, Any], group: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in document["groups"][group] if one["name"] == name)
    return dict(found)


def of_state(document: dict[str, Any], state: str) -> list[str]:
    return [
        one["name"] for found in document["groups"].values() for one in found if one["state"] == state
    ]


def broken(outcome: Outcome) -> dict[str, Any]:
    """The document of an installation that cannot run anything; the last line of stderr says so."""
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    assert outcome.err.splitlines()[-1].startswith("error: no run can work here")
    document: dict[str, Any] = json.loads(outcome.out)
    assert document["usable"] is False
    assert list(document["groups"]) == list(GROUPS), "nothing hides anything else"
    return document


def test_a_sound_installation_has_the_facts_for_a_bug_report_and_is_left_unchanged(
    site: Site, home: Path
) -> None:
    """With the TensorFlow that is installed; the one test of everything in real processes."""
    for name in ("tensorflow.py", "keras.py"):
        (site.folder / name).unlink()
    home.rmdir()
    document = in_a_process("doctor", "--json").document
    assert not home.exists()
    assert document["usable"] is True
    assert list(document["groups"]) == list(GROUPS)
    assert of_state(document, "blocker") == []
    assert finding(document, "versions", "tensorflow")["data"]["version"]
    facts = finding(document, "libraries", "tensorflow")["data"]["facts"]
    assert {"TensorFlow", "Keras", "CUDA in the build", "oneDNN", "GPUs"} <= set(facts)
    assert finding(document, "libraries", "hdf5")["data"]["facts"]["HDF5"]
    assert finding(document, "libraries", "numerics")["data"]["facts"]["threads"]
    assert "JPEG" in finding(document, "libraries", "images")["data"]["facts"]["formats"]
    assert finding(document, "machine", "processor")["data"]["usable_cores"] >= 1
    unavailable_reason = finding(document, "components", "backbones")["data"]["unavailable_reason"]
    assert unavailable_reason["colour-histogram"] is None
    assert "not examined" not in str(document)


def test_people_read_the_same_with_problems_first(site: Site, stackkit: Command) -> None:
    document = stackkit("doctor", "--json").document
    site.install("broken-plugin", "import does_not_exist", version="0.3")
    outcome = stackkit("doctor")
    assert outcome.code == 0
    first, *lines = outcome.out.splitlines()
    assert "runs can work here; 1 problem" in first
    text = "\n".join(lines)
    assert text.index("broken-plugin") < text.index("versions")
    assert "(broken-plugin 0.3) failed at import: ModuleNotFoundError" in text
    assert "-> pip install --upgrade broken-plugin" in text
    for one in (one for found in document["groups"].values() for one in found):
        assert one["name"] in outcome.out


def test_a_home_that_cannot_be_written_stops_every_run(
    site: Site, home: Path, stackkit: Command
) -> None:
    with read_only(home):
        outcome = stackkit("doctor", "--json")
    document = broken(outcome)
    found = finding(document, "folders", "home")
    assert found["state"] == "blocker"
    assert str(home) in found["text"]
    assert "STACKKIT_HOME" in found["remedy"]
    assert of_state(document, "blocker") == ["home"], "reported once"


@pytest.mark.parametrize("place", ["file", "~nobody-of-that-name"])
def test_a_home_that_is_not_a_folder_stops_every_run(
    site: Site, tmp_path: Path, place: str, stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    place = place if place.startswith("~") else str(tmp_path / place)
    monkeypatch.setenv("STACKKIT_HOME", place)
    assert of_state(broken(stackkit("doctor", "--json")), "blocker") == ["home"]


def test_a_features_folder_of_another_user_stops_every_run(
    site: Site, home: Path, stackkit: Command
) -> None:
    (home / "features").mkdir()
    (home / "fits").mkdir()
    (home / "fits" / "one").write_bytes(b"12345")
    with read_only(home / "features"), read_only(home / "fits"):
        document = broken(stackkit("doctor", "--json"))
    assert of_state(document, "blocker") == ["features"]
    assert of_state(document, "problem") == ["fits"], "runs only take longer without"
    assert f"{home / 'fits'}: 1 files, 5 bytes" in finding(document, "folders", "fits")["text"]


def test_a_tensorflow_that_raises_affects_only_its_backbones(
    site: Site, stackkit: Command, really: Really
) -> None:
    (site.folder / "tensorflow.py").write_text("raise ImportError('undefined symbol: _ZN10tensorflow')")
    really("tensorflow")
    document = stackkit("doctor", "--json").document
    found = finding(document, "libraries", "tensorflow")
    assert found["state"] == "problem"
    assert "ImportError: undefined symbol: _ZN10tensorflow" in found["text"]
    assert found["remedy"]
    unavailable_reason = finding(document, "components", "backbones")["data"]["unavailable_reason"]
    assert "tensorflow does not work" in unavailable_reason["vgg19"]
    assert unavailable_reason["colour-histogram"] is None


def test_a_tensorflow_that_crashes_stops_the_backbones_that_need_it(
    site: Site, stackkit: Command, really: Really, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"  # what a CPU without AVX does
    (site.folder / "tensorflow.py").write_text(code)
    really("tensorflow")
    monkeypatch.setenv("STACKKIT_PLUGINS", "")
    document = stackkit("doctor", "--json").document
    assert "killed by SIGILL" in finding(document, "libraries", "tensorflow")["text"]
    reasons = finding(document, "components", "backbones")["data"]["unavailable_reason"]
    assert "tensorflow does not work" in reasons["resnet50"]
    assert "tensorflow" not in reasons["onnx"]
    others = any(find_spec(package) for package in ("onnx", "timm"))
    assert of_state(document, "blocker") == ([] if others else ["backbones"])


@pytest.fixture
def diagnosed(site: Site) -> Callable[..., Diagnosis]:
    """Run code as a library that is tried in a separate process."""

    def run(code: str, limit_s: float = 30) -> Diagnosis:
        (site.folder / "toy_library.py").write_text(f"{code}\ndef facts(): return {{'toys': 3}}\n")
        return isolation.diagnose(["toy_library:facts"], limit_s, variables())["toy_library:facts"]

    return run


def test_a_library_in_a_separate_process_may_work_print_crash_hang_or_exit(diagnosed) -> None:
    printing = "print('hello'); import os; os.write(1, b'hello')"
    assert diagnosed(printing).facts == {"toys": 3}
    assert diagnosed(f"{printing}; raise OSError").error == "OSError"
    assert diagnosed("raise SystemExit(3)").error == "SystemExit: 3"
    exits = "import os, sys; sys.stderr.write('a\\nlast words\\n'); sys.stderr.flush(); os._exit(3)"
    assert diagnosed(exits).error == "its process ended with exit code 3: last words"
    assert diagnosed("import ctypes; ctypes.string_at(0)").error == "its process was killed by SIGSEGV"
    assert diagnosed("import time; time.sleep(600)", limit_s=1).error == "no answer within 1 s"


def test_a_broken_h5py_stops_every_run(site: Site, stackkit: Command, really: Really) -> None:
    (site.folder / "h5py.py").write_text(
        "raise ImportError('libhdf5.so.310: cannot open shared object')"
    )
    really("hdf5")
    document = broken(stackkit("doctor", "--json"))
    assert of_state(document, "blocker") == ["hdf5"]
    assert "libhdf5.so.310" in finding(document, "libraries", "hdf5")["text"]


def test_keras_on_another_backend_is_reported_as_by_a_run(
    site: Site, stackkit: Command, really: Really, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    really("tensorflow")
    document = stackkit("doctor", "--json").document
    assert "KERAS_BACKEND=tensorflow" in finding(document, "libraries", "tensorflow")["text"]


@pytest.mark.parametrize(("strict", "state"), [("0", "problem"), ("1", "blocker")])
def test_a_broken_plugin_stops_runs_only_in_strict_mode(
    site: Site, strict: str, state: str, stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("broken-plugin", "raise SystemExit('no')")
    monkeypatch.setenv("STACKKIT_STRICT", strict)
    outcome = stackkit("doctor", "--json")
    document = broken(outcome) if state == "blocker" else outcome.document
    assert of_state(document, state) == ["broken-plugin"]
    remedy = finding(document, "plugins", "broken-plugin")["remedy"]
    assert ("unset STACKKIT_STRICT" in remedy) == (strict == "1")


def test_a_component_that_breaks_when_asked_whether_it_is_ready_hides_nothing(
    site: Site, stackkit: Command, really: Really
) -> None:
    site.install(
        "odd",
        """
        from stackkit.api import LearnerSpec, hookimpl
        def why(): raise SystemExit("no")
        def words(): return {"problem": "slow today; wait", "mood": "bad"}
        @hookimpl
        def stackkit_learners():
            return [LearnerSpec(name="odd", summary="", factory="odd:x", unavailable_reason="odd:why",
                                diagnoses=("odd:words",))]
        """,
    )
    really("words")
    document = stackkit("doctor", "--json").document
    learners = finding(document, "components", "learners")
    assert "SystemExit: no" in learners["data"]["unavailable_reason"]["odd"]
    assert learners["text"].endswith("not ready: odd")
    words = finding(document, "libraries", "words")
    assert (words["state"], words["text"], words["remedy"]) == (
        "problem",
        "mood bad",
        "slow today; wait",
    )


def test_requirements_that_are_missing_or_too_old_come_with_their_command(
    site: Site, stackkit: Command
) -> None:
    folder = site.folder / "stackkit-0.1.0.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: stackkit\nVersion: 0.1.0\n"
        "Requires-Dist: moon-dust>=2\nRequires-Dist: numpy>=999\nRequires-Dist: pluggy\n"
        "Requires-Dist: never; python_version < '3'\n"
        "Provides-Extra: cheese\nRequires-Dist: moon-cheese; extra == 'cheese'\n"
    )
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    points = project.split("[project.entry-points.stackkit]")[1].split("\n[")[0].replace('"', "")
    (folder / "entry_points.txt").write_text(f"[stackkit]{points}")
    importlib.invalidate_caches()
    document = stackkit("doctor", "--json").document
    assert of_state(document, "problem") == ["moon-dust", "numpy"]
    dust, numpy = (finding(document, "requirements", name) for name in ("moon-dust", "numpy"))
    assert (dust["text"], dust["remedy"]) == ("is not installed", "run: pip install 'moon-dust>=2'")
    assert numpy["text"].endswith(" is installed, >=999 is required")
    assert finding(document, "requirements", "required")["text"] == "1 of 3 packages are installed"
    cheese = finding(document, "requirements", "extra cheese")
    assert cheese["text"] == "moon-cheese is not installed"
    assert "pip install 'stackkit[cheese]'" in cheese["remedy"]


def test_an_old_locale_is_a_problem_and_not_a_crash(site: Site, home: Path) -> None:
    """In a process, because Python chooses its encoding when it starts."""
    old = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    place = str(home / "Vögel")
    outcome = in_a_process("doctor", STACKKIT_HOME=place, STACKKIT_PLUGINS="", **old)
    assert "Traceback" not in outcome.err
    assert outcome.code == 0
    problems = outcome.out.split("problems (1)\n")[1].split("\n\n")[0]
    assert problems.split()[1] == "encoding"
    assert "PYTHONUTF8=1" in problems


def test_proxies_and_tokens_may_contain_passwords_and_are_not_shown(
    site: Site, stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://anna:secret@proxy.example:8080")
    monkeypatch.setenv("STACKKIT_TOKEN", "secret-secret-secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    outcome = stackkit("doctor", "--json")
    assert "secret" not in outcome.out + outcome.err
    assert finding(outcome.document, "variables", "HTTPS_PROXY")["text"].startswith("(set")
    assert finding(outcome.document, "variables", "CUDA_VISIBLE_DEVICES")["data"] == {"value": "7"}


def test_every_variable_that_the_code_reads_is_shown() -> None:
    read = set[str]()
    for path in [*(REPOSITORY / "core").rglob("*.py"), *(REPOSITORY / "plugins").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        if "environ" in text and path.parent.name != "doctor":
            read |= {
                node.value
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.isupper()
                and "_" in node.value
                and not node.value.startswith("SC_")  # names of sysconf
                and not node.value.endswith("_")  # a prefix
                and node.value.replace("_", "").isalnum()
            }
    assert read >= set(READ.split())
    assert read <= set(f"{READ} {READ_BY_LIBRARIES} {HIDDEN}".split())


def test_a_probe_that_fails_is_a_finding_and_the_others_continue(
    stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("unheard of")

    monkeypatch.setattr("stackkit.doctor.versions_found", fails)
    document = stackkit("doctor", "--json").document
    assert document["groups"]["versions"][0]["text"] == "RuntimeError: unheard of"
    assert len(document["groups"]["folders"]) == 6


def test_a_plugin_that_works_and_was_warned_is_shown_with_the_reason(
    site: Site, stackkit: Command
) -> None:
    code = "from stackkit.api import *\n@hookimpl\ndef stackkit_learners(): return []\nprint('hello')"
    site.install("chatty", code, version="0.3")
    document = stackkit("doctor", "--json").document
    found = finding(document, "plugins", "chatty")
    assert found["state"] == "ok"
    assert found["text"] == "(chatty 0.3) works, but at import: printed 'hello'"
    assert found["data"]["warnings"] == [{"stage": "import", "reason": "printed 'hello'"}]
    assert found["remedy"] == "report it to its author"


def test_the_remedy_for_a_broken_file_names_the_file(
    site: Site, tmp_path: Path, stackkit: Command
) -> None:
    (tmp_path / "mine.py").write_text("1 / 0")
    document = stackkit("--plugin", tmp_path / "mine.py", "doctor", "--json").document
    found = finding(document, "plugins", "mine")
    assert found["remedy"].startswith(f"fix {tmp_path / 'mine.py'}, or no longer load it (--plugin, ")
    assert "pip" not in found["remedy"]


def test_a_requested_plugin_that_is_missing_is_a_problem(
    site: Site, stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKKIT_PLUGINS", "colour-histgram")
    document = stackkit("doctor", "--json").document
    assert of_state(document, "problem") == ["STACKKIT_PLUGINS"]
    assert finding(document, "plugins", "STACKKIT_PLUGINS")["text"] == (
        "STACKKIT_PLUGINS lists 'colour-histgram', but no plugin has that name; "
        "did you mean colour-histogram?"
    )


def test_a_plugin_that_crashes_the_process_is_named_and_hides_nothing(
    site: Site, tmp_path: Path, stackkit: Command, really: Really
) -> None:
    site.install("deadly", "import ctypes; ctypes.string_at(0)", version="0.3")
    site.install("broken-plugin", "import does_not_exist")
    (tmp_path / "stuck.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    really("load_all")
    document = broken(stackkit("--plugins-dir", tmp_path, "doctor", "--json"))
    assert of_state(document, "blocker") == ["deadly", "stuck"]
    found = finding(document, "plugins", "deadly")
    assert found["text"] == (
        "(deadly 0.3) ends the process that loads it: its process was killed by SIGSEGV"
    )
    assert found["remedy"].endswith("until then, exclude it: --disable-plugin deadly")
    assert "failed at import" in finding(document, "plugins", "broken-plugin")["text"]
    assert HISTOGRAM in finding(document, "plugins", "working")["data"]["names"]
