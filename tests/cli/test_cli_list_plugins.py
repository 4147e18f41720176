"""`stackkit list-plugins` and the help pages: quick, complete, and quiet when nobody listens."""

import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
from support.commands import HISTOGRAM, Command, in_a_process, python, variables
from support.installing import Site

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
                summary="wants more than is here",
                factory="nowhere:at_all",
                requires=("moon-dust",),
                install="pip install moon-dust",
            )
        ]
"""


def block(text: str, name: str) -> str:
    """The line of a component and the indented ones below it."""
    first, *following = text[text.index(f"\n  {name} ") + 1 :].splitlines()
    return "\n".join([first, *takewhile(lambda line: line.startswith(" " * 10), following)])


def test_every_component_shows_where_it_is_from_and_what_it_takes(stackkit: Command) -> None:
    listing = stackkit("list-plugins").out
    histogram = block(listing, HISTOGRAM)
    assert " ok " in histogram
    assert "[stackkit-colour-histogram 1.0, plugin colour-histogram]" in histogram
    assert "options: bins=4" in histogram
    assert "fit_on=in-sample" in block(listing, "average-svm")
    assert "C=1.0|auto" in block(listing, "logistic")
    assert "root=none  limit=none" in block(listing, "image-folder")
    for heading in ("datasets", "backbones", "learners", "aggregators", "plugins"):
        assert heading in listing.splitlines()


def test_what_is_missing_is_said_with_the_command_for_it(site: Site, stackkit: Command) -> None:
    site.install("needy", NEEDY)
    needy = block(stackkit("list-plugins", "--kind", "backbone").out, "needy")
    assert " unavailable " in needy
    assert "needs moon-dust; run: pip install moon-dust" in needy
    outcome = stackkit("run", "--dataset", "mnist:limit=3", "--backbones", "needy")
    assert outcome.code == 4
    assert "needs moon-dust; run: pip install moon-dust" in outcome.error


def test_weights_that_must_be_downloaded_are_named(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    vgg19 = block(stackkit("list-plugins").out, "vgg19")
    assert " not ready " in vgg19
    assert f"vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 is not in {tmp_path / 'models'}" in vgg19


def test_a_broken_plugin_shows_its_stage_and_reason(site: Site, stackkit: Command) -> None:
    site.install("broken-plugin", "import does_not_exist", version="0.3")
    outcome = stackkit("list-plugins")
    assert outcome.code == 0
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("  broken-plugin "))
    assert "failed" in line
    assert "broken-plugin 0.3" in line
    assert "failed at import: ModuleNotFoundError: No module named 'does_not_exist'" in line
    (record,) = (
        plugin
        for plugin in stackkit("list-plugins", "--json").document["plugins"]
        if plugin["name"] == "broken-plugin"
    )
    assert (record["status"], record["stage"]) == ("failed", "import")


def test_json_tells_the_same(stackkit: Command) -> None:
    document = stackkit("list-plugins", "--json").document
    components = {entry["qualified_name"]: entry for entry in document["components"]}
    histogram = components[f"{HISTOGRAM}/{HISTOGRAM}"]
    assert histogram["status"] == "ok"
    assert histogram["distribution"] == "stackkit-colour-histogram"
    (option,) = histogram["options"]
    assert (option["name"], option["type"], option["default"]) == ("bins", "int", 4)
    assert {plugin["status"] for plugin in document["plugins"]} == {"ok"}


def test_one_kind_can_be_asked_for(stackkit: Command) -> None:
    document = stackkit("list-plugins", "--kind", "aggregator", "--json").document
    names = {entry["name"] for entry in document["components"]}
    assert {entry["kind"] for entry in document["components"]} == {"aggregator"}
    assert names >= {"average-svm", "soft-vote"}
    assert "datasets" not in stackkit("list-plugins", "--kind", "aggregator").out.splitlines()


def test_no_plugins_means_stackkits_own_only(stackkit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKKIT_PLUGINS", HISTOGRAM)  # so that what --no-plugins sets ends here
    listing = stackkit("--no-plugins", "list-plugins").out
    assert HISTOGRAM not in listing
    assert "efficientnet-lite0" in listing


@pytest.mark.parametrize("arguments", [["list-plugins"], ["list-plugins", "--json"], ["--help"]])
def test_listing_and_help_import_nothing_heavy(site: Site, arguments: list[str]) -> None:
    script = (
        "import sys; from stackkit.cli import main; main(sys.argv[1:]);"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    outcome = python("-c", script, *arguments)
    assert outcome.out
    assert outcome.err.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", ["list-plugins", "list-plugins --json", "--help"])
def test_a_reader_that_goes_away_is_no_error_message(site: Site, arguments: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m stackkit {arguments} | true"],
        env=variables() | {"PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_the_first_page_names_every_command_and_a_first_step(stackkit: Command) -> None:
    page = stackkit("--help").out
    for command in ("run", "extract", "evaluate", "fetch", "list-plugins"):
        assert f"  {command} " in page
    assert "Start with: stackkit run --dataset mnist" in page


@pytest.mark.parametrize("command", ["run", "extract", "evaluate", "fetch", "list-plugins"])
def test_every_help_page_teaches_with_an_example(command: str, stackkit: Command) -> None:
    outcome = stackkit(command, "--help")
    assert outcome.code == 0
    assert f"Try: stackkit {command} " in outcome.out


def test_python_dash_m_is_the_command_too() -> None:
    outcome = in_a_process("--version")
    assert outcome.code == 0
    assert outcome.out.startswith("stackkit 0.")
