"""Plugins that change what numerical libraries compute are named by every run, used or not."""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from support.commands import Command, chosen
from support.installing import Site

from stackkit.api.paths import fits_dir

REPLACES = """
    import numpy
    def my_mean(*args, the_true_one=numpy.mean, **options): return the_true_one(*args, **options)
    numpy.mean = my_mean
"""
OFFERS = """
    from sklearn.linear_model import LogisticRegression
    from stackkit.api import LearnerSpec, hookimpl

    @hookimpl
    def stackkit_learners(): return [LearnerSpec(name="line", summary="", factory="acme:line")]

    def line():
        act()
        return LogisticRegression()
    def act(): pass
"""
SENTENCE = (
    "Plugin acme (acme 1.0) replaced numpy.mean for the whole process, so that every figure may differ; "
    "to leave it out, pass --disable-plugin acme before the command."
)


@pytest.fixture
def true_mean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(np, "mean", np.mean)  # restored after the test
    return


def test_a_plugin_that_replaced_a_function_is_named_by_every_command_though_unused(
    site: Site, stackkit: Command, bird_folder: Path, tmp_path: Path, monkeypatch, true_mean
) -> None:
    before = np.mean
    arguments = [*chosen(bird_folder), "--baseline", "none", "--aggregator", "soft-vote"]
    assert "18 images computed" in stackkit("extract", *chosen(bird_folder)).out
    site.install("acme", dedent(REPLACES) + dedent(OFFERS))
    for attempt in ("first", "cached"):
        out = tmp_path / attempt
        outcome = stackkit("run", *arguments, "--out", out)
        assert f"warning: {SENTENCE}" in outcome.err.splitlines()
        assert f"- {SENTENCE}" in outcome.out.splitlines()
        assert SENTENCE in json.loads((out / "report.json").read_text())["notes"]
    assert SENTENCE in stackkit("evaluate", *arguments, "--json").document["notes"]
    extracted = stackkit("extract", *chosen(bird_folder), "--json")
    assert extracted.document["notes"] == [SENTENCE]
    assert f"- {SENTENCE}" in stackkit("extract", *chosen(bird_folder)).out.splitlines()
    n_fits = len(list(fits_dir().rglob("*.npz")))

    # Neither features nor fits of a changed NumPy are used without the plugin.
    monkeypatch.setattr(np, "mean", before)
    outcome = stackkit("--disable-plugin", "acme", "run", *arguments, "--json")
    assert SENTENCE not in outcome.document["notes"] + outcome.err.splitlines()
    assert outcome.document["extraction"][next(iter(outcome.document["extraction"]))]["reused"] == 18
    assert len(list(fits_dir().rglob("*.npz"))) == 2 * n_fits


@pytest.mark.parametrize("when", ["when it is created", "when it is fitted"])
def test_a_component_that_replaces_a_function_during_the_run_is_named(
    site: Site, stackkit: Command, bird_folder: Path, true_mean, when: str
) -> None:
    code = dedent(OFFERS).replace("def act(): pass", "")
    replaces = "def act():\n" + "".join(f"    {line}\n" for line in dedent(REPLACES).split("\n"))
    if when == "when it is fitted":
        code = code.replace("    act()\n", "").replace("return LogisticRegression()", "return Line()")
        code += "class Line(LogisticRegression):\n"
        code += "    def fit(self, X, y):\n        act()\n        return super().fit(X, y)\n"
    site.install("acme", code + replaces)
    outcome = stackkit("run", *chosen(bird_folder), "--learner", "line", "--baseline", "none", "--json")
    (note,) = [note for note in outcome.document["notes"] if "numpy.mean" in note]
    assert note == (
        "Components replaced numpy.mean (by acme) during this run, so that every figure may differ, and "
        "so may features that the run stored."
    )
    if when == "when it is created":  # before the first fit: no other run reuses these
        assert not list(fits_dir().rglob("*.npz"))


def test_a_usual_run_with_a_third_party_component_says_nothing_of_that(
    site: Site, stackkit: Command, bird_folder: Path
) -> None:
    site.install("acme", OFFERS)
    outcome = stackkit("run", *chosen(bird_folder), "--learner", "line", "--json")
    assert not [note for note in outcome.document["notes"] if "replaced" in note]
    assert "replaced" not in outcome.err
