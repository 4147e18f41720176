"""Conditions: a fit gives the same result whatever runs before it or beside it."""

import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from stackkit.api.errors import PluginError
from stackkit.api.reporter import SilentReporter
from stackkit.api.specs import LearnerSpec
from stackkit.evaluation import fit_digest
from stackkit.evaluation.conditions import combined
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.scheduler import Batch, FitScheduler
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host import load_host
from stackkit.host.registry import Registry

ROWS, WIDTH, CLASSES = 300, 200, 6


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))


@pytest.fixture(scope="module")
def table() -> tuple[Features, np.ndarray]:
    """Noisy features, on which liblinear and L-BFGS stop before they converge."""
    source = np.random.default_rng(5)
    labels = source.permutation(ROWS) % CLASSES
    means = source.normal(size=(CLASSES, WIDTH))
    matrix = np.abs(means[labels] + 4 * source.normal(size=(ROWS, WIDTH))).astype(np.float32)
    return Features.from_matrix("noise", matrix), labels


class Observed(KNeighborsClassifier):
    """Records which fits run at the same time, under which names, and what it finds."""

    lock: ClassVar[threading.Lock] = threading.Lock()
    running: ClassVar[list[str]] = []
    met: ClassVar[set[frozenset[str]]] = set()
    threads: ClassVar[set[int]] = set()
    variables: ClassVar[set[str | None]] = set()

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name

    def fit(self, X: Any, y: Any) -> Any:
        self.threads.update(pool["num_threads"] for pool in threadpool_info())
        self.variables.add(os.environ.get("OMP_NUM_THREADS"))
        with self.lock:
            self.running.append(self.name)
            for other in self.running[:-1]:
                self.met.add(frozenset([self.name, other]))
        time.sleep(0.05)
        with self.lock:
            self.running.remove(self.name)
        return super().fit(X, y)


class Dice(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Draws its predictions from the global generators, in `fit` and in `predict`."""

    def fit(self, X: Any, y: Any) -> Any:
        self.classes_ = np.unique(y)
        self.shift_ = random.randrange(CLASSES)
        return self

    def predict(self, X: Any) -> Any:
        return (np.random.randint(CLASSES, size=len(X)) + self.shift_) % CLASSES


def learner(factory: str, state: Any = None, **options: Any) -> ConfiguredComponent:
    """A third-party learner from this file."""
    spec = LearnerSpec(
        name=factory.lower(), summary="", factory=f"{__name__}:{factory}", process_state=state
    )
    component = Component(spec=spec, plugin="test", distribution="test", version="1")
    return ConfiguredComponent(component=component, options=options, name=spec.name)


@pytest.fixture
def make(table: tuple[Features, np.ndarray]) -> Callable[..., LearnerFit]:
    """Fits on two thirds of the rows that predict the others."""
    features, labels = table

    def fit(configured: ConfiguredComponent, offset: int = 0) -> LearnerFit:
        rows = (np.arange(ROWS) + offset) % ROWS
        return LearnerFit(
            learner=configured,
            features=features,
            labels=labels,
            n_classes=CLASSES,
            train=np.sort(rows[:200]),
            test=np.sort(rows[200:]),
            probabilities=getattr(configured.component.spec, "probabilities", False)
            and configured.component.is_own,
        )

    return fit


def run_fits(fits: list[LearnerFit], jobs: int) -> list[FitResult]:
    found: list[FitResult] = []
    scheduler = FitScheduler(cache=FitCache(None), reporter=SilentReporter(), jobs=jobs)
    scheduler.run([Batch(fits=fits, then=found.extend)])
    return found


def content(results: list[FitResult]) -> list[tuple[Any, ...]]:
    """Everything that a fit found, for comparison to the last bit."""
    return [
        (r.labels.tobytes(), r.converged, b"" if r.probabilities is None else r.probabilities.tobytes())
        for r in results
    ]


def test_every_built_in_learner_gives_the_same_bits_for_any_jobs_and_order(registry, make):
    """Also those that draw from liblinear's generator, and those that stop before they converge."""
    names = ["linear-svm:max_iter=60", "logistic-ovr:max_iter=20", "calibrated-svm:max_iter=60"]
    names += ["logistic:max_iter=30", "logistic:solver=saga,max_iter=5", "logistic:solver=batched"]
    fits = [make(registry.one("learner", name), 9 * k) for k in range(3) for name in names]
    alone = content(run_fits(fits, jobs=1))
    assert len(set(alone)) == len(alone)
    assert content(run_fits(fits, jobs=4)) == alone
    assert content(run_fits(fits[::-1], jobs=3))[::-1] == alone


def test_draws_from_global_generators_depend_on_the_fit_alone(make):
    fits = [make(learner("Dice"), 9 * k) for k in range(6)]
    random.seed(3)
    np.random.seed(3)
    first = content(run_fits(fits, jobs=1))
    untouched = random.random(), np.random.random()
    assert content(run_fits(fits[::-1], jobs=4))[::-1] == first
    assert content(run_fits(fits[4:], jobs=2)) == first[4:]
    assert len(set(first)) == len(first)
    random.seed(3)
    np.random.seed(3)
    assert (random.random(), np.random.random()) == untouched
    declared = [make(learner("Dice", ("random",)), 9 * k) for k in range(6)]
    assert content(run_fits(declared, jobs=4)) == content(run_fits(declared[::-1], jobs=1))[::-1]


def observed(make: Callable[..., LearnerFit], **states: Any) -> set[frozenset[str]]:
    """Run four fits for each state beside each other; return the pairs that met."""
    for record in (Observed.met, Observed.threads, Observed.variables):
        record.clear()
    fits = [make(learner("Observed", states[name], name=name), k) for k in range(4) for name in states]
    run_fits(fits, jobs=8)
    return {frozenset(pair) for pair in Observed.met}


def test_a_fit_that_may_use_any_state_runs_alone(make):
    assert observed(make, unknown=None, free=()) == {frozenset(["free"])}


def test_fits_that_use_the_same_state_take_turns_while_others_run(make):
    met = observed(make, one=("a",), two=("a", "b"), free=())
    # On a busy machine all fits of one name may end before a fit of another begins.
    assert frozenset(["free"]) in met
    assert met & {frozenset(["free", "one"]), frozenset(["free", "two"])}
    assert not met & {frozenset(["one"]), frozenset(["two"]), frozenset(["one", "two"])}


def test_an_aggregator_on_features_uses_what_its_learner_uses():
    assert combined(frozenset(), frozenset({"a"})) == {"a"}
    assert combined(frozenset({"a"}), None) is None


@pytest.mark.parametrize("jobs", [1, 2, 64])
def test_a_fit_uses_one_thread_whatever_the_jobs(make, jobs, monkeypatch):
    """Also in libraries that are loaded later, which read a variable."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    Observed.threads.clear()
    Observed.variables.clear()
    with threadpool_limits(2):
        run_fits([make(learner("Observed", ()), k) for k in range(3)], jobs)
    assert Observed.threads == {1}
    assert Observed.variables == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_evaluations_in_one_process_take_turns(make):
    """Each one would otherwise reset the other's limits of threads and filters of warnings."""
    Observed.met.clear()
    threads = [
        threading.Thread(target=run_fits, args=([make(learner("Observed", (), name=name))] * 3, 1))
        for name in "abc"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not Observed.met


def test_fits_made_under_other_conditions_are_not_used(make, registry, monkeypatch):
    before = make(registry.one("learner", "linear-svm")).digest
    monkeypatch.setattr(fit_digest, "CONDITIONS", "threads follow --jobs")
    assert make(registry.one("learner", "linear-svm")).digest != before


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("logistic", set()),
        ("logistic:solver=newton-cholesky", None),
        ("logistic-ovr", {"liblinear"}),
        ("linear-svm", {"liblinear"}),
    ],
)
def test_the_state_may_depend_on_options(registry, name, state):
    assert registry.one("learner", name).process_state == state


def strange_state(**options: Any) -> Any:
    return "warnings"


def test_a_function_that_returns_no_state_is_named():
    with pytest.raises(PluginError, match=r"test/dice \(test 1\) cannot be used: .* got 'warnings'"):
        _ = learner("Dice", f"{__name__}:strange_state").process_state
