"""The last promise of every component: that a real run with it ends in a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from stackkit.api.errors import EvaluationError, StackkitError
from stackkit.api.types import SilentReporter
from stackkit.experiment import run
from stackkit.host.host import Host
from stackkit.host.option_syntax import unparse
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe
from stackkit.store import FeatureStore
from stackkit.testing.check import Check, CheckFailedError, skip
from stackkit.testing.sample_components import COMPANY
from stackkit.testing.subject import Subject

MOST_IMAGES = 300
"""Of a dataset; a run takes seconds for so many."""

ALONE = Recipe(
    dataset="kit/squares",
    backbones=("kit/means", "kit/means:upright=true"),
    learner="kit/logistic",
    aggregators=(),
    baselines=(),
    cv=2,
    shuffle=True,
    strict=True,
    jobs=1,
)
"""A run in which everything is the kit's."""


def runs(subject: Subject) -> None:
    """Let the host's own code run it among components of the kit."""
    made = subject.made
    if subject.component.kind == "dataset" and len(made.samples) > MOST_IMAGES:
        skip(f"it has {len(made.samples)} images; a run is tried with {MOST_IMAGES} at most")
    registry = Registry(host=Host(plugins=(), components=(*COMPANY, subject.component)))
    with TemporaryDirectory(prefix="stackkit-run-", ignore_cleanup_errors=True) as folder:
        try:
            run(_recipe(subject), registry, FeatureStore(Path(folder)), SilentReporter())
        except StackkitError as error:
            if isinstance(error, EvaluationError) and subject.component.kind == "dataset":
                skip(f"a run wants more images: {error}")
            raise CheckFailedError(f"a run with it ends: {error}") from error


def _recipe(subject: Subject) -> Recipe:
    text = unparse(subject.component.qualified_name, subject.given)
    match subject.component.kind:
        case "dataset":
            return replace(ALONE, dataset=text)
        case "backbone":
            return replace(ALONE, dataset="kit/squares:n=18", backbones=(text,))
        case "learner":
            return replace(ALONE, learner=text)
        case "aggregator":
            return replace(ALONE, aggregators=(text,))


def runs_after(promises: tuple[Check, ...], *immaterial: str) -> Check:
    """The promise, to be tried where all others are kept but those that no run depends on."""
    return Check(
        name="runs",
        sentence="`stackkit run` with it and a few small images ends in a report.",
        remedy="mend what the message names; the test of `conformance` shows the traceback",
        check=runs,
        after=tuple(each.name for each in promises if each.name not in immaterial),
    )
