"""Fits: each runs once, several run at a time, and results are cached."""

import gc
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from support.machines import read_only

from stackkit.api.errors import PluginError
from stackkit.api.reporter import SilentReporter
from stackkit.api.specs import LearnerSpec
from stackkit.evaluation.convergence import convergence_warnings_captured
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.scheduler import Batch, FitScheduler
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.utils import versions
from stackkit.utils.interrupts import StopAtOnce


class RecordingReporter(SilentReporter):
    """Records what users see."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.advanced = 0

    def advance(self, task: str, count: int) -> None:
        self.advanced += count

    def message(self, text: str) -> None:
        self.messages.append(text)


class Counting(LogisticRegression):
    """A logistic regression that records the thread of each fit."""

    fits: ClassVar[list[str]] = []

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        self.fits.append(threading.current_thread().name)
        return super().fit(X, y, sample_weight)


class Deprecated(LogisticRegression):
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        warnings.warn("this learner is old", FutureWarning, stacklevel=1)
        return super().fit(X, y, sample_weight)


class Failing(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: Any) -> Any:
        raise ZeroDivisionError("no luck")


def learner(
    factory: str, process_state: tuple[str, ...] | None = (), **options: Any
) -> ConfiguredComponent:
    """A third-party learner from this file."""
    spec = LearnerSpec(
        name=factory.lower(), summary="", factory=f"{__name__}:{factory}", process_state=process_state
    )
    component = Component(spec=spec, plugin="test", distribution="test", version="1")
    return ConfiguredComponent(component=component, options=options, name=spec.name)


@pytest.fixture(autouse=True)
def nothing_recorded() -> None:
    Counting.fits.clear()


@pytest.fixture
def make() -> Callable[..., LearnerFit]:
    """Fits of three classes on 60 rows that predict the other 30."""
    random = np.random.default_rng(3)
    y = random.permutation(90) % 3
    X = (random.normal(size=(3, 8))[y] + random.normal(size=(90, 8))).astype(np.float32)
    features = Features.from_matrix("eight", X)

    def fit(
        configured: ConfiguredComponent | None = None, offset: int = 0, **changed: Any
    ) -> LearnerFit:
        rows = (np.arange(90) + offset) % 90
        return LearnerFit(
            **{
                "learner": configured or learner("Counting"),
                "features": features,
                "labels": y,
                "n_classes": 3,
                "train": np.sort(rows[:60]),
                "test": np.sort(rows[60:]),
                "probabilities": True,
                "in_sample": True,
                **changed,
            }
        )

    return fit


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


def run_fits(scheduler: FitScheduler, fits: list[LearnerFit]) -> list[FitResult]:
    found: list[FitResult] = []
    scheduler.run([Batch(fits=fits, then=found.extend)])
    return found


def assert_same(found: FitResult, expected: FitResult) -> None:
    assert found.converged == expected.converged
    for part in ("labels", "probabilities", "in_sample"):
        assert np.array_equal(getattr(found, part), getattr(expected, part))
        assert getattr(found, part).dtype == getattr(expected, part).dtype


def test_results_are_in_the_order_of_the_fits_for_any_number_of_jobs(make, reporter):
    fits = [make(offset=7 * k) for k in range(9)]
    alone = run_fits(FitScheduler(cache=FitCache(None), reporter=reporter, jobs=1), fits)
    together = run_fits(FitScheduler(cache=FitCache(None), reporter=reporter, jobs=4), fits)
    assert reporter.advanced == 18
    for one, other in zip(alone, together, strict=True):
        assert_same(other, one)
    assert len({results.labels.tobytes() for results in alone}) == 9


def test_a_cached_fit_does_not_run_again(make, reporter, tmp_path):
    fits = [make(offset=k) for k in (0, 9)]
    first = run_fits(FitScheduler(cache=FitCache(tmp_path), reporter=reporter, jobs=2), fits)
    again = run_fits(
        FitScheduler(cache=FitCache(tmp_path), reporter=reporter, jobs=2), [*fits, make(offset=18)]
    )
    assert len(Counting.fits) == 3
    assert reporter.advanced == 5
    for one, other in zip(first, again, strict=False):
        assert_same(other, one)


def test_cached_fits_are_read_while_other_threads_read_and_collect_garbage(make, reporter, tmp_path):
    fit = make()
    run_fits(FitScheduler(cache=FitCache(tmp_path), reporter=reporter, jobs=1), [fit])
    before, switching = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(pause := lambda phase, info: sum(range(30)))
    gc.set_threshold(5)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPool(4) as pool:
            found = pool.map(lambda number: FitCache(tmp_path).load(fit), range(200))
    finally:
        gc.callbacks.remove(pause)
        gc.set_threshold(*before)
        sys.setswitchinterval(switching)
    assert None not in found


def test_probabilities_that_were_not_requested_are_not_cached(make, reporter, tmp_path):
    fit = make(probabilities=False, in_sample=False)
    for _ in range(2):
        (results,) = run_fits(FitScheduler(cache=FitCache(tmp_path), reporter=reporter), [fit])
        assert (results.probabilities, results.in_sample) == (None, None)
    (file,) = tmp_path.rglob("*.npz")
    assert set(np.load(file)) == {"labels", "converged", "seconds"}


@pytest.mark.parametrize("change", ["option", "rows", "label", "feature", "asked", "version", "groups"])
def test_everything_that_a_fit_depends_on_is_in_its_digest(make, change):
    fit = make()
    labels, matrix = fit.labels.copy(), fit.features.matrices[0].copy()
    labels[fit.train[0]] = (labels[fit.train[0]] + 1) % 3
    matrix[3, 3] += 1
    newer = Component(spec=fit.learner.component.spec, plugin="test", distribution="test", version="2")
    other = {
        "option": lambda: make(learner("Counting", C=2.0)),
        "rows": lambda: make(offset=1),
        "label": lambda: make(labels=labels),
        "feature": lambda: make(features=Features.from_matrix("eight", matrix)),
        "asked": lambda: make(in_sample=False),
        "groups": lambda: make(groups=np.arange(90) // 2),
        "version": lambda: make(ConfiguredComponent(component=newer, options={}, name="counting")),
    }[change]()
    assert make().digest == fit.digest != other.digest


def test_another_scikit_learn_version_gives_another_digest(make, monkeypatch):
    before = make().digest
    monkeypatch.setattr(
        versions, "version", lambda name: "0.1" if name == "scikit-learn" else version(name)
    )
    versions.dependency_versions.cache_clear()
    assert make().digest != before
    monkeypatch.undo()
    versions.dependency_versions.cache_clear()
    assert make().digest == before


def test_labels_of_test_rows_are_not_in_the_digest(make):
    fit = make()
    labels = fit.labels.copy()
    labels[fit.test[0]] = (labels[fit.test[0]] + 1) % 3
    assert make(labels=labels).digest == fit.digest


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_cache_file_is_replaced(make, reporter, tmp_path, harm):
    scheduler = FitScheduler(cache=FitCache(tmp_path), reporter=reporter)
    (expected,) = run_fits(scheduler, [make()])
    (path,) = tmp_path.rglob("*.npz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(
        {"cut": data[: len(data) // 2], "flipped": data, "empty": b"", "foreign": b"no archive"}[harm]
    )
    assert_same(run_fits(scheduler, [make()])[0], expected)
    assert_same(run_fits(scheduler, [make()])[0], expected)
    assert len(Counting.fits) == 2
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [path.name]


def test_an_unwritable_cache_is_reported_once_and_does_not_fail_the_run(make, reporter, tmp_path):
    (tmp_path / "file").write_text("in the way")
    scheduler = FitScheduler(cache=FitCache(tmp_path / "file" / "fits"), reporter=reporter, jobs=1)
    results = run_fits(scheduler, [make(offset=k) for k in range(3)])
    assert len(results) == 3
    (message,) = reporter.messages
    assert message.startswith("finished fits cannot be cached (")


def test_cached_fits_are_read_from_a_read_only_cache(make, reporter, tmp_path):
    fits = [make(offset=9 * k) for k in range(4)]
    run_fits(FitScheduler(cache=FitCache(tmp_path), reporter=reporter), fits[2:])
    with read_only(tmp_path):
        run_fits(FitScheduler(cache=FitCache(tmp_path), reporter=reporter, jobs=1), fits)
    assert len(Counting.fits) == 4
    assert len(reporter.messages) == 1


def test_fits_that_finished_before_a_failure_are_cached(make, reporter, tmp_path):
    scheduler = FitScheduler(cache=FitCache(tmp_path), reporter=reporter, jobs=1)
    with pytest.raises(PluginError, match=r"test/failing \(test 1\) failed: ZeroDivisionError"):
        run_fits(scheduler, [make(), make(learner("Failing")), make(offset=9)])
    assert FitCache(tmp_path).load(make()) is not None
    assert FitCache(tmp_path).load(make(offset=9)) is None


def test_a_request_to_stop_is_honoured_after_each_fit(make, reporter, tmp_path):
    def stop() -> None:
        raise KeyboardInterrupt

    scheduler = FitScheduler(cache=FitCache(tmp_path), reporter=reporter, jobs=1, stop_if_asked=stop)
    with pytest.raises(KeyboardInterrupt):
        run_fits(scheduler, [make(offset=k) for k in range(5)])
    assert len(Counting.fits) == 1
    assert FitCache(tmp_path).load(make()) is not None


class Waiting:
    """A fit that lasts until `gate` opens."""

    process_state = frozenset[str]()

    def __init__(self, gate: threading.Event) -> None:
        self.gate = gate
        self.digest = f"{id(gate):032x}"
        self.ended = False

    def run(self) -> FitResult:
        self.gate.wait(30)
        self.ended = True
        return FitResult(labels=np.zeros(1, dtype=np.int64), converged=True)


def test_a_second_request_to_stop_does_not_wait_for_fits_in_progress(reporter):
    """Also when it comes while a finished fit is recorded."""

    def stop() -> None:
        raise StopAtOnce

    finished, endless = threading.Event(), threading.Event()
    finished.set()
    scheduler = FitScheduler(cache=FitCache(None), reporter=reporter, jobs=2, stop_if_asked=stop)
    try:
        with pytest.raises(StopAtOnce):
            run_fits(scheduler, [Waiting(finished), last := Waiting(endless)])
        assert not last.ended
    finally:
        endless.set()


def test_convergence_is_recorded_per_fit_across_threads(make, reporter, recwarn):
    """In four threads, with learners that fit several estimators each."""
    registry = Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))
    hurried = registry.one("learner", "logistic:max_iter=1")
    patient = registry.one("learner", "logistic:max_iter=500")
    many = registry.one("learner", "logistic-ovr:max_iter=500")
    few = registry.one("learner", "logistic-ovr:max_iter=1")
    learners = [hurried, patient, many, few] * 12
    fits = [make(learner, offset=k) for k, learner in enumerate(learners)]
    results = run_fits(FitScheduler(cache=FitCache(None), reporter=reporter, jobs=4), fits)
    assert [one.converged for one in results] == [False, True, True, False] * 12
    assert not [warning for warning in recwarn if issubclass(warning.category, ConvergenceWarning)]


def test_other_warnings_are_passed_on(make):
    with pytest.warns(FutureWarning, match="this learner is old"), convergence_warnings_captured():
        assert make(learner("Deprecated")).run().converged


def test_a_fit_does_not_change_features(make):
    fit = make()
    before = fit.features.matrices[0].copy()
    fit.run()
    assert np.array_equal(fit.features.matrices[0], before)


@given(st.integers(0, 1200), st.integers(1, 5), st.integers(0, 99))
def test_take_returns_the_requested_rows(count, width, seed):
    random = np.random.default_rng(seed)
    matrix = np.arange(1500 * width, dtype=np.float32).reshape(1500, width)
    kept = np.sort(random.permutation(1500)[:1400])
    rows = random.integers(0, 1400, size=count)
    taken = Features(label="", trained=True, matrices=(matrix,), used_rows=kept).take(rows)
    assert taken.flags.f_contiguous
    assert np.array_equal(taken, matrix[kept][rows])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 700, 1099])
def test_the_first_row_with_a_nonfinite_feature_is_found(value, row):
    matrix = np.zeros((1100, 3), dtype=np.float32)
    features = Features.from_matrix("", matrix)
    assert features.first_nonfinite() is None
    matrix[[row, 1099], 1] = value
    assert features.first_nonfinite() == (0, row)


def test_unused_rows_are_neither_checked_nor_in_the_digest():
    matrix = np.ones((6, 2), dtype=np.float32)
    kept = np.array([0, 2, 4])
    features = Features(label="", trained=True, matrices=(matrix,), used_rows=kept)
    digest = Features(label="", trained=True, matrices=(matrix.copy(),), used_rows=kept).digest
    matrix[1] = np.nan
    assert features.first_nonfinite() is None
    assert features.is_constant()
    assert features.digest == digest


@pytest.fixture(scope="module", autouse=True)
def warnings_restored() -> Iterator[None]:
    showing = warnings.showwarning
    yield
    assert warnings.showwarning is showing


def test_two_runs_can_cache_the_same_fit_at_once(make, reporter, tmp_path):
    schedulers = [FitScheduler(cache=FitCache(tmp_path), reporter=reporter, jobs=1) for _ in range(4)]
    fit = make()
    expected = fit.run()
    threads = [
        threading.Thread(target=scheduler.cache.save, args=[fit, expected]) for scheduler in schedulers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = FitCache(tmp_path).load(fit)
    assert found is not None
    assert_same(found, expected)
    assert len(list(Path(tmp_path).rglob("*.npz*"))) == 1


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_a_following_batch_runs_before_the_next_one(make, reporter, jobs):
    """Otherwise the results of all batches would be in memory at once."""
    events: list[str] = []

    def batch(number: int) -> Batch:
        events.append(f"open {number}")
        return Batch(
            fits=[make(offset=10 * number + k) for k in range(3)],
            then=lambda results: Batch(
                fits=[make(offset=10 * number + 5)],
                then=lambda following: events.append(f"through {number}"),
            ),
        )

    FitScheduler(cache=FitCache(None), reporter=reporter, jobs=jobs).run(batch(k) for k in range(8))
    assert len(events) == 16
    half_done = np.cumsum([1 if event.startswith("open") else -1 for event in events])
    assert half_done.max() <= jobs + 1 if jobs > 1 else half_done.max() == 1


def test_a_batch_without_fits_is_finished_at_once(make, reporter):
    followed: list[int] = []
    last = Batch(fits=[make()], then=lambda results: followed.append(len(results)))
    empty = Batch(fits=[], then=lambda results: last)
    FitScheduler(cache=FitCache(None), reporter=reporter).run(
        [empty, Batch(fits=[], then=lambda results: None)]
    )
    assert followed == [1]


def test_fits_in_progress_beside_a_failing_one_are_finished_and_cached(make, reporter, tmp_path):
    scheduler = FitScheduler(cache=FitCache(tmp_path), reporter=reporter, jobs=3)
    fits = [make(offset=1), make(learner("Failing")), make(offset=2)]
    with pytest.raises(PluginError):
        run_fits(scheduler, fits)
    assert [FitCache(tmp_path).load(fit) is not None for fit in fits] == [True, False, True]


def test_released_pages_of_a_mapped_file_are_read_again(tmp_path):
    matrix = np.arange(6000, dtype=np.float32).reshape(2000, 3)
    np.save(tmp_path / "features.npy", matrix)
    features = Features.from_matrix("", np.asarray(np.load(tmp_path / "features.npy", mmap_mode="r")))
    for _ in range(2):
        assert np.array_equal(features.take(np.arange(1999, -1, -1)), matrix[::-1])
