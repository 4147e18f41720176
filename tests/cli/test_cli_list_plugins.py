"""`stackkit list-plugins` and the help pages: fast, complete, and silent if the reader goes away."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.commands import HISTOGRAM, Command, in_a_process, python, variables
from support.installing import Site, own_entry_points

from stackkit.api import BackboneSpec
from stackkit.host.host import load_host
from stackkit.host.registry import Registry

HEAVY = (
    "numpy",
    "h5py",
    "sklearn",
    "tensorflow",
    "keras",
    "torch",
    "mlxtend",
    "PIL",
    "scipy",
    "pydantic",
    "rich",
)
NEEDY = """
    from stackkit.api import BackboneSpec, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [
            BackboneSpec(
                name="needy",
                summary="needs a package that is not installed",
                factory="nowhere:at_all",
                requires=("moon-dust",),
                install="pip install moon-dust",
            )
        ]
"""
TWINS = """
    from stackkit.api import DatasetSpec, LearnerSpec, Option, hookimpl

    @hookimpl
    def stackkit_learners():
        name = "twin-with-a-name-that-is-longer-than-most"
        summary = "A classifier \\x1b[31m with a summary that does not fit the line of a terminal."
        options = (
            Option(name="size", default=None, type=int, minimum=1, help="", deprecated="use side="),
            Option(name="side", default=8, minimum=1, maximum=64, help="pixels"),
            Option(name="C", default=1.0, above=0, words=("auto",), help="strength"),
        )
        return [LearnerSpec(name=name, summary=summary, factory="twins:Twin", options=options)]

    @hookimpl
    def stackkit_datasets():
        return [DatasetSpec(name="mnist", summary="Another MNIST.", factory="twins:Twin")]
"""


def row(listing: str, name: str) -> list[str]:
    """The cells of a component's line."""
    (line,) = (line for line in listing.splitlines() if line.split("  ")[0] == name)
    return re.split(r"\s{2,}", line)


def on_a_terminal(columns: int, *arguments: str) -> str:
    """What a command prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in variables().items() if name != "COLUMNS"}
    command = f"stty cols {columns}; {sys.executable} -m stackkit {' '.join(arguments)}"
    with subprocess.Popen(
        ["sh", "-c", command], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ):
        os.close(theirs)
        printed = b""
        while True:
            try:
                block = os.read(ours, 10_000)
            except OSError:  # Linux reports the end of a terminal as an error
                break
            if not block:
                break
            printed += block
    os.close(ours)
    return re.sub(r"\x1b\[[\d;]*m", "", printed.decode().replace("\r\n", "\n"))


def test_the_table_has_what_a_user_chooses_a_network_by(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    listing = stackkit("list-plugins").out
    assert row(listing, "backbones") == [
        "backbones",
        "status",
        "px",
        "features",
        "download",
        "what it is",
    ]
    assert row(listing, "resnet50") == [
        "resnet50",
        "not ready",
        "244",
        "2,048",
        "94 MB",
        "Keras ResNet50",
    ]
    assert row(listing, HISTOGRAM)[:2] == [HISTOGRAM, "ok"]
    for heading in ("datasets", "learners", "aggregators", "executors"):
        assert row(listing, heading) == [heading, "status", "what it is"]


def test_weights_that_are_there_need_no_download(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = tmp_path / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    file.parent.mkdir()
    file.touch()
    assert row(stackkit("list-plugins").out, "vgg16") == ["vgg16", "ok", "224", "512", "Keras VGG16"]


@pytest.mark.parametrize("columns", [80, 100])
def test_the_table_fits_the_terminal_by_cutting_summaries_alone(site: Site, columns: int) -> None:
    site.install("twins", TWINS)
    listing = on_a_terminal(columns, "list-plugins")
    lines = listing.splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.endswith("…") and len(line) == columns for line in lines)
    assert row(listing, "twin-with-a-name-that-is-longer-than-most")
    assert row(listing, "inception-resnet-v2")[-1].startswith("Keras InceptionRes")


def test_lines_of_a_pipe_are_not_cut_and_show_control_characters_escaped(
    site: Site, stackkit: Command
) -> None:
    site.install("twins", TWINS)
    summary = r"A classifier \x1b[31m with a summary that does not fit the line of a terminal."
    assert row(stackkit("list-plugins").out, "twin-with-a-name-that-is-longer-than-most")[-1] == summary


def test_a_component_is_shown_in_full(stackkit: Command) -> None:
    lines = [line.strip() for line in stackkit("list-plugins", HISTOGRAM).out.splitlines()]
    assert lines[0].startswith(f"{HISTOGRAM} (backbone): ")
    facts = dict(line.split(":", 1) for line in lines[1:] if ":" in line)
    assert facts["status"].strip() == "ok"
    assert facts["plugin"].strip() == f"{HISTOGRAM}, from stackkit-colour-histogram 1.0"
    assert facts["full name"].strip() == f"{HISTOGRAM}/{HISTOGRAM}"
    assert facts["example"].strip() == f"stackkit run --dataset mnist --backbones {HISTOGRAM}:bins=4"
    (bins,) = (line for line in lines if line.startswith("bins=4 "))
    assert bins.endswith("bins per colour channel, 1 to 16 [whole number]")
    assert len(lines) < 12, "nothing of other components"


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("average-svm", ["fit_on=in-sample", "[in-sample, out-of-fold]"]),
        ("logistic", ["C=1.0", "[number > 0 or auto]"]),
        ("image-folder", ["root=none", "limit=none", "[whole number >= 1 or none]"]),
        ("linear-svm", ["--baseline linear-svm:normalise=standardise"]),
        ("resnet50", ["network:   244x244 pixels -> 2,048 features"]),
    ],
)
def test_options_are_shown_with_default_and_allowed_values(
    stackkit: Command, name: str, texts: list[str]
) -> None:
    shown = stackkit("list-plugins", name).out
    for text in texts:
        assert text in shown


def test_a_deprecated_option_is_marked_and_not_used_in_the_example(
    site: Site, stackkit: Command
) -> None:
    site.install("twins", TWINS)
    shown = stackkit("list-plugins", "twin-*").out
    assert "[whole number >= 1 or none] (deprecated: use side=)" in shown
    assert "[whole number >= 1, <= 64]" in shown
    assert "--learner twin-with-a-name-that-is-longer-than-most:side=8" in shown


def test_details_are_wrapped_to_the_terminal(site: Site) -> None:
    lines = on_a_terminal(80, "list-plugins", "resnet50").splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(" " * 25) for line in lines) > 3


def test_an_ambiguous_name_a_pattern_and_a_plugin_show_all_that_match(
    site: Site, stackkit: Command
) -> None:
    site.install("twins", TWINS)

    def heads(*arguments: str) -> list[str]:
        lines = stackkit("list-plugins", *arguments).out.splitlines()
        return [line.split(":")[0] for line in lines if line and not line.startswith(" ")]

    assert heads("mnist") == ["mnist (dataset)", "twins/mnist (dataset)"]
    assert heads("efficientnet-lite*") == [f"efficientnet-lite{i} (backbone)" for i in range(3)]
    assert heads("twins/mnist") == ["twins/mnist (dataset)"]
    assert heads("twins", "--kind", "learner") == ["twin-with-a-name-that-is-longer-than-most (learner)"]
    assert len(heads("keras-applications")) == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet5O"], "no component or plugin matches 'resnet5O'; did you mean resnet50 or "),
        (["resnets*"], "no component or plugin matches 'resnets*'; did you mean resnet50 or "),
        (["mnist", "--kind", "learner"], "no component or plugin matches 'mnist'; "),
        (["xyzzy-plugh"], "`stackkit list-plugins` shows all names"),
    ],
)
def test_an_unknown_name_is_an_error_with_close_matches(
    stackkit: Command, arguments: list[str], message: str
) -> None:
    outcome = stackkit("list-plugins", *arguments)
    assert outcome.code == 2
    assert message in outcome.error


def test_a_missing_package_is_shown_with_the_command_for_it(site: Site, stackkit: Command) -> None:
    site.install("needy", NEEDY)
    listing = stackkit("list-plugins", "--kind", "backbone").out
    assert row(listing, "needy")[:2] == ["needy", "unavailable"]
    assert listing.splitlines()[-1].startswith("Run `stackkit list-plugins NAME` for ")
    shown = stackkit("list-plugins", "needy").out
    assert "status:    unavailable: needs moon-dust; run: pip install moon-dust" in shown
    outcome = stackkit("run", "--dataset", "mnist:limit=3", "--backbones", "needy")
    assert outcome.code == 4
    assert "needs moon-dust; run: pip install moon-dust" in outcome.error


def test_weights_that_must_be_downloaded_are_named(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    shown = stackkit("list-plugins", "vgg19").out
    assert (
        "status:    not ready: vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 not found in " in shown
    )
    assert str(tmp_path / "models") in shown
    assert "download:  about 80 MB" in shown


def test_a_broken_plugin_shows_its_stage_and_reason(site: Site, stackkit: Command) -> None:
    site.install("broken-plugin", "import does_not_exist", version="0.3")
    reason = "failed at import: ModuleNotFoundError: No module named 'does_not_exist'"
    outcome = stackkit("list-plugins")
    assert outcome.code == 0
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("  broken-plugin "))
    assert line.split()[:2] == ["broken-plugin", "failed"]
    assert "broken-plugin 0.3" in line
    assert reason in line
    others = len(own_entry_points()) + 1  # stackkit's own, and the histogram of these tests
    known = f"plugins: {others} of {others + 1} loaded without problems"
    assert known in outcome.out.splitlines()
    outcome = stackkit("list-plugins", "broken-plugin")
    assert (outcome.code, outcome.error) == (4, f"plugin broken-plugin (broken-plugin 0.3) {reason}")
    (record,) = (
        plugin
        for plugin in stackkit("list-plugins", "--json").document["plugins"]
        if plugin["name"] == "broken-plugin"
    )
    assert (record["status"], record["stage"]) == ("failed", "import")


def test_plugins_without_problems_are_listed_on_request(stackkit: Command) -> None:
    short = stackkit("list-plugins").out
    assert f"{HISTOGRAM} 1.0" not in short
    lines = stackkit("list-plugins", "--all").out.splitlines()
    (line,) = (line for line in lines if line.startswith(f"  {HISTOGRAM} "))
    assert line.split() == [HISTOGRAM, "ok", "stackkit-colour-histogram", "1.0"]


def test_json_has_the_same_contents(stackkit: Command) -> None:
    document = stackkit("list-plugins", "--json").document
    components = {entry["qualified_name"]: entry for entry in document["components"]}
    histogram = components[f"{HISTOGRAM}/{HISTOGRAM}"]
    assert histogram["status"] == "ok"
    assert histogram["distribution"] == "stackkit-colour-histogram"
    option, *added = histogram["options"]
    assert (option["name"], option["type"], option["default"]) == ("bins", "int", 4)
    assert [(each["name"], each["added"]) for each in added] == [
        ("resize", True),
        ("views", True),
        ("boxes", True),
    ]
    resnet50 = components["keras-applications/resnet50"]
    assert (resnet50["image_size"], resnet50["feature_dim"]) == (244, 2048)
    assert resnet50["download_bytes"] == 94_000_000
    assert {plugin["status"] for plugin in document["plugins"]} == {"ok"}


def test_json_of_a_name_has_these_components_alone(stackkit: Command) -> None:
    whole = stackkit("list-plugins", "--json").document
    named = stackkit("list-plugins", "mnist", "--json").document
    assert named.keys() == whole.keys()
    assert [entry["name"] for entry in named["components"]] == ["mnist"]
    assert named["components"][0] in whole["components"]


def test_sizes_that_specs_declare_are_those_of_the_networks() -> None:
    registry = Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))
    # Networks of timm and ONNX files must be built before they are known.
    known = {"keras-applications", "efficientnet-lite"}
    backbones = [each for each in registry.of_kind("backbone") if each.plugin in known]
    assert len(backbones) == 43
    for component in backbones:
        backbone = registry.default(component).create()
        assert (component.spec.image_size, component.spec.feature_dim) == (  # type: ignore[attr-defined]
            backbone.image_size,
            backbone.feature_dim,
        )


@pytest.mark.parametrize("field", ["image_size", "feature_dim", "download_bytes"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "224"])
def test_a_declared_size_that_is_not_a_positive_whole_number_is_refused(field: str, value: Any) -> None:
    message = f"net: {field} must be an integer >= 1, got {value!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        BackboneSpec(name="net", summary="", factory="net:Net", **{field: value})


def test_one_kind_can_be_selected(stackkit: Command) -> None:
    document = stackkit("list-plugins", "--kind", "aggregator", "--json").document
    names = {entry["name"] for entry in document["components"]}
    assert {entry["kind"] for entry in document["components"]} == {"aggregator"}
    assert names >= {"average-svm", "soft-vote"}
    assert "datasets" not in stackkit("list-plugins", "--kind", "aggregator").out


def test_no_plugins_lists_stackkits_own_only(stackkit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKKIT_PLUGINS", HISTOGRAM)  # restored after the test, which changes it
    listing = stackkit("--no-plugins", "list-plugins").out
    assert HISTOGRAM not in listing
    assert "efficientnet-lite0" in listing


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ("list-plugins", set()),
        ("list-plugins --json", set()),
        ("list-plugins vgg19", {"pydantic"}),  # Typer converts a value with it
        ("--help", set()),
        ("run --help", set()),
    ],
)
def test_listing_and_help_import_nothing_heavy(site: Site, arguments: str, allowed: set[str]) -> None:
    script = (
        "import sys; from stackkit.cli import main; main(sys.argv[1:]);"
        f"print(*[name for name in {HEAVY} if name in sys.modules], 'end', file=sys.stderr)"
    )
    outcome = python("-c", script, *arguments.split())
    assert outcome.out
    *loaded, end = outcome.err.splitlines()[-1].split()
    assert end == "end"
    assert set(loaded) <= allowed


@pytest.mark.parametrize("arguments", ["list-plugins", "list-plugins --json", "--help"])
def test_a_reader_that_goes_away_causes_no_error_message(site: Site, arguments: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m stackkit {arguments} | true"],
        env=variables() | {"PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


COMMANDS = [
    "run",
    "train",
    "extract",
    "evaluate",
    "report",
    "predict",
    "export",
    "explain",
    "compare",
    "audit",
    "recipes",
    "suggest",
    "serve",
    "show",
    "fetch",
    "list-plugins",
    "new-plugin",
    "doctor",
    "check-plugin",
]


def test_the_first_page_has_every_command_with_a_whole_summary_and_a_first_step(
    stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for page in (
        stackkit("--help").out,
        stackkit("features", "--help").out,
        stackkit("fits", "--help").out,
        stackkit("runs", "--help").out,
    ):
        _, _, commands = page.partition("\nCommands:\n")
        lines = commands.split("\n\n")[0].splitlines()
        assert all(line.endswith(".") and not line.endswith("...") for line in lines)
        assert all(re.match(r"  \S", line) for line in lines), "one line each"
    page = stackkit("--help").out
    names = re.findall(r"^  (\S+) ", page.partition("\nCommands:\n")[2], re.M)[:-1]
    assert names == [*COMMANDS, "features", "fits", "runs"]
    assert "Start with: stackkit run --dataset mnist" in page


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_page_teaches_with_an_example(command: str, stackkit: Command) -> None:
    outcome = stackkit(command, "--help")
    assert outcome.code == 0
    assert f"Try: stackkit {command}" in outcome.out


@pytest.mark.parametrize(
    ("command", "sections"),
    [
        ("run", ["Data", "Networks", "Classifiers", "Evaluation", "Output", "Other"]),
        ("train", ["Data", "Networks", "Classifiers", "Evaluation", "Output", "Other"]),
        ("evaluate", ["Data", "Networks", "Classifiers", "Evaluation", "Output", "Other"]),
        ("extract", ["Data", "Networks", "Evaluation", "Output", "Other"]),
    ],
)
def test_help_groups_options(
    command: str, sections: list[str], stackkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = stackkit(command, "--help").out
    assert re.findall(r"^(\w+):$", page, re.M) == sections
    assert max(map(len, page.splitlines())) <= 80
    for option in ("--dataset", "--backbones", "--seed", "--json"):
        assert len(re.findall(rf"^  {option}\b", page, re.M)) == 1


def test_python_dash_m_is_the_command_too() -> None:
    outcome = in_a_process("--version")
    assert outcome.code == 0
    assert outcome.out.startswith("stackkit 0.")
