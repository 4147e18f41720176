"""The last check of every component: a real run with it ends in a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from stackkit.api.errors import EvaluationError, StackkitError
from stackkit.api.reporter import SilentReporter
from stackkit.experiment.run import run
from stackkit.host.host import Host
from stackkit.host.option_syntax import unparse
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe
from stackkit.store import FeatureStore
from stackkit.testing.check import TRACEBACK, Check, CheckFailedError, skip
from stackkit.testing.sample_components import SAMPLE_COMPONENTS
from stackkit.testing.under_test import ComponentUnderTest

MAX_IMAGES = 300
"""A run with so many images takes seconds."""

BASE = Recipe(
    dataset="kit/squares",
    backbones=("kit/means", "kit/means:upright=true"),
    learners=("kit/logistic",),
    aggregators=(),
    baselines=(),
    cv=2,
    shuffle=True,
    strict=True,  # an image that cannot be read must end the run, not be left out
    jobs=1,
)
"""A run of sample components only; the component under test replaces one of them."""


def runs(component: ComponentUnderTest) -> None:
    """`stackkit run` with the component and a few small images ends in a report."""
    made = component.made
    if component.component.kind == "dataset" and len(made.samples) > MAX_IMAGES:
        skip(
            f"the dataset has {len(made.samples)} images, and a run is tested with at most {MAX_IMAGES}"
        )
    host = Host(plugins=(), components=(*SAMPLE_COMPONENTS, component.component))
    with TemporaryDirectory(prefix="stackkit-run-", ignore_cleanup_errors=True) as folder:
        try:
            run(_recipe(component), Registry(host=host), FeatureStore(Path(folder)), SilentReporter())
        except StackkitError as error:
            if isinstance(error, EvaluationError) and component.component.kind == "dataset":
                skip(f"the dataset is too small for a run: {error}")
            raise CheckFailedError(f"a run with it fails: {error}") from error


def _recipe(component: ComponentUnderTest) -> Recipe:
    text = unparse(component.component.qualified_name, component.given)
    match component.component.kind:
        case "dataset":
            return replace(BASE, dataset=text)
        case "backbone":
            return replace(BASE, dataset="kit/squares:n=18", backbones=(text,))
        case "learner":
            return replace(BASE, learners=(text,))
        case "aggregator":
            return replace(BASE, aggregators=(text,))
        case "executor":
            return replace(BASE, executor=text)


def runs_after(checks: Iterable[Check], *irrelevant: str) -> Check:
    """Return the check `runs`, skipped if any other check fails that is not `irrelevant` to a run."""
    return Check(
        name="runs",
        sentence=runs.__doc__ or "runs",
        remedy=f"fix what the message names; {TRACEBACK}",
        function=runs,
        after=tuple(each.name for each in checks if each.name not in irrelevant),
    )
