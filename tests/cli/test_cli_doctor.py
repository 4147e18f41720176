"""`stackkit doctor` on installations that are broken for real, each in one way."""

import ast
import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from support.commands import HISTOGRAM, Command, Outcome, in_a_process
from support.installing import REPOSITORY, Site
from support.machines import read_only

from stackkit.doctor import examine
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


@pytest.fixture
def real(site: Site) -> Site:
    """The site, with the TensorFlow that is installed."""
    for name in ("tensorflow.py", "keras.py"):
        (site.folder / name).unlink()
    return site


def finding(document: dict[str, Any], group: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in document["groups"][group] if one["name"] == name)
    return dict(found)


def of_state(document: dict[str, Any], state: str) -> list[str]:
    return [
        one["name"] for found in document["groups"].values() for one in found if one["state"] == state
    ]


def broken(outcome: Outcome) -> dict[str, Any]:
    """The document of an installation that cannot run anything; stderr has one line that says so."""
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    assert outcome.err.splitlines()[-1].startswith("error: no run can work here")
    document: dict[str, Any] = json.loads(outcome.out)
    assert document["usable"] is False
    assert list(document["groups"]) == list(GROUPS), "nothing hides anything else"
    return document


def test_a_sound_installation_tells_what_a_bug_report_needs(real: Site) -> None:
    document = in_a_process("doctor", "--json").document
    assert document["usable"] is True
    assert list(document["groups"]) == list(GROUPS)
    assert of_state(document, "blocker") == []
    assert finding(document, "versions", "tensorflow")["data"]["version"]
    facts = finding(document, "libraries", "tensorflow")["data"]["facts"]
    assert {"TensorFlow", "Keras", "CUDA in the build", "oneDNN", "GPUs"} <= set(facts)
    assert finding(document, "libraries", "hdf5")["data"]["facts"]["HDF5"]
    assert finding(document, "machine", "processor")["data"]["usable_cores"] >= 1
    unavailable_reason = finding(document, "components", "backbones")["data"]["unavailable_reason"]
    assert unavailable_reason["colour-histogram"] is None
    assert "not examined" not in str(document)


def test_people_read_the_same_with_problems_first(site: Site) -> None:
    document = in_a_process("doctor", "--json").document
    site.install("broken-plugin", "import does_not_exist", version="0.3")
    outcome = in_a_process("doctor")
    assert outcome.code == 0
    first, *lines = outcome.out.splitlines()
    assert "runs can work here; 1 problem" in first
    text = "\n".join(lines)
    assert text.index("broken-plugin") < text.index("versions")
    assert "(broken-plugin 0.3) failed at import: ModuleNotFoundError" in text
    assert "-> pip install --upgrade broken-plugin" in text
    for one in (one for found in document["groups"].values() for one in found):
        assert one["name"] in outcome.out


def test_it_leaves_no_trace(site: Site, home: Path) -> None:
    home.rmdir()
    assert in_a_process("doctor", "--json").code == 0
    assert not home.exists()


def test_a_home_that_cannot_be_written_stops_every_run(site: Site, home: Path) -> None:
    with read_only(home):
        outcome = in_a_process("doctor", "--json")
    document = broken(outcome)
    found = finding(document, "folders", "home")
    assert found["state"] == "blocker"
    assert str(home) in found["text"]
    assert "STACKKIT_HOME" in found["remedy"]
    assert of_state(document, "blocker") == ["home"], "said once"


@pytest.mark.parametrize("place", ["file", "~nobody-of-that-name"])
def test_a_home_that_is_no_folder_stops_every_run(site: Site, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    place = place if place.startswith("~") else str(tmp_path / place)
    document = broken(in_a_process("doctor", "--json", STACKKIT_HOME=place))
    assert of_state(document, "blocker") == ["home"]


def test_a_features_folder_of_somebody_else_stops_every_run(site: Site, home: Path) -> None:
    (home / "features").mkdir()
    (home / "fits").mkdir()
    with read_only(home / "features"), read_only(home / "fits"):
        document = broken(in_a_process("doctor", "--json"))
    assert of_state(document, "blocker") == ["features"]
    assert of_state(document, "problem") == ["fits"], "runs only take longer without"


def test_a_tensorflow_that_raises_costs_its_backbones_and_nobody_elses(site: Site) -> None:
    (site.folder / "tensorflow.py").write_text("raise ImportError('undefined symbol: _ZN10tensorflow')")
    document = in_a_process("doctor", "--json").document
    found = finding(document, "libraries", "tensorflow")
    assert found["state"] == "problem"
    assert "ImportError: undefined symbol: _ZN10tensorflow" in found["text"]
    assert found["remedy"]
    unavailable_reason = finding(document, "components", "backbones")["data"]["unavailable_reason"]
    assert "tensorflow does not work" in unavailable_reason["vgg19"]
    assert unavailable_reason["colour-histogram"] is None


def test_a_tensorflow_that_takes_its_process_down_stops_every_run_without_other_backbones(
    site: Site,
) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"  # what a CPU without AVX does
    (site.folder / "tensorflow.py").write_text(code)
    document = broken(in_a_process("doctor", "--json", STACKKIT_PLUGINS=""))
    assert "died of SIGILL" in finding(document, "libraries", "tensorflow")["text"]
    assert of_state(document, "blocker") == ["backbones"]


def test_a_tensorflow_that_hangs_is_given_up(site: Site) -> None:
    (site.folder / "tensorflow.py").write_text("import time; time.sleep(600)")
    examination = examine(limit_s=10)
    (found,) = (one for one in examination.groups["libraries"] if one.name == "tensorflow")
    assert "no answer within 10 s" in found.text


def test_a_tensorflow_that_prints_does_not_spoil_the_document(site: Site) -> None:
    (site.folder / "tensorflow.py").write_text(
        "print('hello'); import os; os.write(1, b'hello'); raise OSError"
    )
    assert finding(in_a_process("doctor", "--json").document, "libraries", "tensorflow")[
        "text"
    ].endswith("does not work: OSError")


def test_a_broken_h5py_stops_every_run(site: Site) -> None:
    (site.folder / "h5py.py").write_text(
        "raise ImportError('libhdf5.so.310: cannot open shared object')"
    )
    document = broken(in_a_process("doctor", "--json"))
    assert of_state(document, "blocker") == ["hdf5"]
    assert "libhdf5.so.310" in finding(document, "libraries", "hdf5")["text"]


def test_keras_on_another_backend_is_said_as_a_run_would_say_it(site: Site) -> None:
    document = in_a_process("doctor", "--json", KERAS_BACKEND="jax").document
    assert "KERAS_BACKEND=tensorflow" in finding(document, "libraries", "tensorflow")["text"]


@pytest.mark.parametrize(("strict", "state"), [("0", "problem"), ("1", "blocker")])
def test_a_broken_plugin_stops_runs_only_where_strictness_is_asked_for(
    site: Site, strict: str, state: str
) -> None:
    site.install("broken-plugin", "raise SystemExit('no')")
    outcome = in_a_process("doctor", "--json", STACKKIT_STRICT=strict)
    document = broken(outcome) if state == "blocker" else outcome.document
    assert of_state(document, state) == ["broken-plugin"]


def test_a_plugin_that_breaks_when_asked_what_it_lacks_hides_nothing(site: Site) -> None:
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
    document = in_a_process("doctor", "--json").document
    assert (
        "SystemExit: no"
        in finding(document, "components", "learners")["data"]["unavailable_reason"]["odd"]
    )
    words = finding(document, "libraries", "words")
    assert (words["state"], words["text"], words["remedy"]) == (
        "problem",
        "mood bad",
        "slow today; wait",
    )


def test_requirements_that_are_absent_or_too_old_come_with_their_command(site: Site) -> None:
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
    document = in_a_process("doctor", "--json").document
    assert of_state(document, "problem") == ["moon-dust", "numpy"]
    dust, numpy = (finding(document, "requirements", name) for name in ("moon-dust", "numpy"))
    assert (dust["text"], dust["remedy"]) == ("is not installed", "run: pip install 'moon-dust>=2'")
    assert numpy["text"].endswith(">=999 is wanted")
    assert finding(document, "requirements", "required")["text"] == "1 of 3 packages are here"
    cheese = finding(document, "requirements", "extra cheese")
    assert cheese["text"] == "moon-cheese is not installed"
    assert "pip install 'stackkit[cheese]'" in cheese["remedy"]


def test_an_old_locale_is_a_problem_and_no_crash(site: Site, home: Path) -> None:
    old = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    place = str(home / "Vögel")
    outcome = in_a_process("doctor", STACKKIT_HOME=place, **old)
    assert "Traceback" not in outcome.err
    assert outcome.code == 0
    assert "PYTHONUTF8=1" in outcome.out
    assert of_state(in_a_process("doctor", "--json", **old).document, "problem") == ["encoding"]


def test_proxies_may_hold_passwords_and_are_not_shown(site: Site) -> None:
    proxy = "http://anna:secret@proxy.example:8080"
    outcome = in_a_process("doctor", "--json", HTTPS_PROXY=proxy, CUDA_VISIBLE_DEVICES="7")
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
                and node.value.replace("_", "").isalnum()
            }
    assert read >= set(READ)
    assert read <= {*READ, *READ_BY_LIBRARIES, *HIDDEN}


def test_a_probe_that_fails_is_a_finding_and_the_others_go_on(
    stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("unheard of")

    monkeypatch.setattr("stackkit.doctor.versions_found", fails)
    document = stackkit("doctor", "--json").document
    assert document["groups"]["versions"][0]["text"] == "RuntimeError: unheard of"
    assert len(document["groups"]["folders"]) == 6


def test_a_plugin_that_works_and_was_warned_is_told_with_the_reason(site: Site) -> None:
    code = "from stackkit.api import *\n@hookimpl\ndef stackkit_learners(): return []\nprint('hello')"
    site.install("chatty", code, version="0.3")
    document = in_a_process("doctor", "--json").document
    found = finding(document, "plugins", "chatty")
    assert found["state"] == "ok"
    assert found["text"] == "(chatty 0.3) works, but at import: printed 'hello'"
    assert found["data"]["warnings"] == [{"stage": "import", "reason": "printed 'hello'"}]
    assert found["remedy"] == "tell its author"


def test_of_a_broken_file_the_file_is_to_be_mended(site: Site, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0")
    files = {"STACKKIT_PLUGIN_FILES": str(tmp_path / "mine.py")}
    found = finding(in_a_process("doctor", "--json", **files).document, "plugins", "mine")
    assert found["remedy"].startswith(f"mend {tmp_path / 'mine.py'}, or no longer name it (--plugin, ")
    assert "pip" not in found["remedy"]


def test_a_plugin_that_is_asked_for_and_absent_is_a_problem(site: Site) -> None:
    document = in_a_process("doctor", "--json", STACKKIT_PLUGINS="colour-histgram").document
    assert of_state(document, "problem") == ["STACKKIT_PLUGINS"]
    assert finding(document, "plugins", "STACKKIT_PLUGINS")["text"] == (
        "STACKKIT_PLUGINS lists 'colour-histgram', but no plugin has that name; "
        "did you mean colour-histogram?"
    )


def test_a_plugin_that_takes_the_process_down_is_named_and_hides_nothing(
    site: Site, tmp_path: Path
) -> None:
    site.install("deadly", "import ctypes; ctypes.string_at(0)", version="0.3")
    site.install("broken-plugin", "import does_not_exist")
    (tmp_path / "stuck.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    document = broken(in_a_process("doctor", "--json", STACKKIT_PLUGINS_DIR=str(tmp_path)))
    assert of_state(document, "blocker") == ["deadly", "stuck"]
    found = finding(document, "plugins", "deadly")
    assert found["text"] == (
        "(deadly 0.3) ends every process that loads it: its process died of SIGSEGV"
    )
    assert found["remedy"].endswith("until then, leave it out by --no-plugins or STACKKIT_PLUGINS")
    assert "failed at import" in finding(document, "plugins", "broken-plugin")["text"]
    assert HISTOGRAM in finding(document, "plugins", "working")["data"]["names"]
