"""Fits: each is done once, several at a time, and what it found is kept."""

import threading
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
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
from threadpoolctl import threadpool_info

from stackkit.api.errors import PluginError
from stackkit.api.specs import LearnerSpec
from stackkit.api.types import SilentReporter
from stackkit.evaluation.convergence import early_stops_noted
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import FitResult, LearnerFit
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.scheduler import Batch, FitScheduler
from stackkit.host.component import Component, ConfiguredComponent
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.utils import versions


class Told(SilentReporter):
    """Remembers what users are told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.advanced = 0

    def advance(self, task: str, count: int) -> None:
        self.advanced += count

    def message(self, text: str) -> None:
        self.messages.append(text)


class Counting(LogisticRegression):
    """A logistic regression that counts its fits, in whatever thread."""

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


class LooksAround(Counting):
    """Remembers how many threads it might use."""

    seen: ClassVar[list[int]] = []

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        self.seen.extend(pool["num_threads"] for pool in threadpool_info())
        return super().fit(X, y, sample_weight)


def choice(factory: str, **options: Any) -> ConfiguredComponent:
    """A stranger's learner from this file."""
    spec = LearnerSpec(name=factory.lower(), summary="", factory=f"{__name__}:{factory}")
    component = Component(spec=spec, plugin="test", distribution="test", version="1")
    return ConfiguredComponent(component=component, options=options, name=spec.name)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    Counting.fits.clear()
    LooksAround.seen.clear()


@pytest.fixture
def make() -> Callable[..., LearnerFit]:
    """Fits of three classes on 60 rows, each asked about the other 30."""
    random = np.random.default_rng(3)
    y = random.permutation(90) % 3
    X = (random.normal(size=(3, 8))[y] + random.normal(size=(90, 8))).astype(np.float32)
    features = Features.of("eight", X)

    def fit(learner: ConfiguredComponent | None = None, offset: int = 0, **changed: Any) -> LearnerFit:
        rows = (np.arange(90) + offset) % 90
        return LearnerFit(
            **{
                "choice": learner or choice("Counting"),
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
def told() -> Told:
    return Told()


def carried_out(scheduler: FitScheduler, fits: list[LearnerFit]) -> list[FitResult]:
    found: list[FitResult] = []
    scheduler.carry_out([Batch(fits=fits, then=found.extend)])
    return found


def assert_same(found: FitResult, wanted: FitResult) -> None:
    assert found.converged == wanted.converged
    for part in ("labels", "probabilities", "in_sample"):
        assert np.array_equal(getattr(found, part), getattr(wanted, part))
        assert getattr(found, part).dtype == getattr(wanted, part).dtype


def test_answers_come_in_the_order_of_the_fits_whatever_the_number_of_jobs(make, told):
    fits = [make(offset=7 * k) for k in range(9)]
    alone = carried_out(FitScheduler(kept=FitCache(None), reporter=told, jobs=1), fits)
    together = carried_out(FitScheduler(kept=FitCache(None), reporter=told, jobs=4), fits)
    assert told.advanced == 18
    for one, other in zip(alone, together, strict=True):
        assert_same(other, one)
    assert len({answers.labels.tobytes() for answers in alone}) == 9


def test_a_kept_fit_is_not_done_again(make, told, tmp_path):
    fits = [make(offset=k) for k in (0, 9)]
    first = carried_out(FitScheduler(kept=FitCache(tmp_path), reporter=told, jobs=2), fits)
    again = carried_out(
        FitScheduler(kept=FitCache(tmp_path), reporter=told, jobs=2), [*fits, make(offset=18)]
    )
    assert len(Counting.fits) == 3
    assert told.advanced == 5
    for one, other in zip(first, again, strict=False):
        assert_same(other, one)


def test_answers_that_nobody_needs_are_not_made_up_when_read(make, told, tmp_path):
    fit = make(probabilities=False, in_sample=False)
    for _ in range(2):
        (answers,) = carried_out(FitScheduler(kept=FitCache(tmp_path), reporter=told), [fit])
        assert (answers.probabilities, answers.in_sample) == (None, None)


@pytest.mark.parametrize("change", ["option", "rows", "label", "feature", "asked", "version"])
def test_whatever_a_fit_depends_on_is_in_its_name(make, change):
    fit = make()
    labels, matrix = fit.labels.copy(), fit.features.matrix.copy()
    labels[fit.train[0]] = (labels[fit.train[0]] + 1) % 3
    matrix[3, 3] += 1
    newer = Component(spec=fit.choice.component.spec, plugin="test", distribution="test", version="2")
    other = {
        "option": lambda: make(choice("Counting", C=2.0)),
        "rows": lambda: make(offset=1),
        "label": lambda: make(labels=labels),
        "feature": lambda: make(features=Features.of("eight", matrix)),
        "asked": lambda: make(in_sample=False),
        "version": lambda: make(ConfiguredComponent(component=newer, options={}, name="counting")),
    }[change]()
    assert make().digest == fit.digest != other.digest


def test_a_fit_with_another_scikit_learn_is_another_fit(make, monkeypatch):
    before = make().digest
    monkeypatch.setattr(
        versions, "version", lambda name: "0.1" if name == "scikit-learn" else version(name)
    )
    versions.dependency_versions.cache_clear()
    assert make().digest != before
    monkeypatch.undo()
    versions.dependency_versions.cache_clear()
    assert make().digest == before


def test_labels_of_rows_that_are_not_learned_from_are_not(make):
    fit = make()
    labels = fit.labels.copy()
    labels[fit.test[0]] = (labels[fit.test[0]] + 1) % 3
    assert make(labels=labels).digest == fit.digest


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "foreign"])
def test_a_kept_file_that_is_damaged_is_fitted_again_and_replaced(make, told, tmp_path, harm):
    scheduler = FitScheduler(kept=FitCache(tmp_path), reporter=told)
    (wanted,) = carried_out(scheduler, [make()])
    (path,) = tmp_path.rglob("*.npz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(
        {"cut": data[: len(data) // 2], "flipped": data, "empty": b"", "foreign": b"no archive"}[harm]
    )
    assert_same(carried_out(scheduler, [make()])[0], wanted)
    assert_same(carried_out(scheduler, [make()])[0], wanted)
    assert len(Counting.fits) == 2
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [path.name]


def test_a_folder_that_cannot_be_written_is_said_once_and_costs_nothing_else(make, told, tmp_path):
    (tmp_path / "file").write_text("in the way")
    scheduler = FitScheduler(kept=FitCache(tmp_path / "file" / "fits"), reporter=told, jobs=1)
    answers = carried_out(scheduler, [make(offset=k) for k in range(3)])
    assert len(answers) == 3
    (message,) = told.messages
    assert message.startswith("finished fits cannot be kept (")


def test_kept_fits_are_read_where_no_more_can_be_kept(make, told, tmp_path):
    fits = [make(offset=9 * k) for k in range(4)]
    carried_out(FitScheduler(kept=FitCache(tmp_path), reporter=told), fits[2:])
    with read_only(tmp_path):
        carried_out(FitScheduler(kept=FitCache(tmp_path), reporter=told, jobs=1), fits)
    assert len(Counting.fits) == 4
    assert len(told.messages) == 1


def test_what_finished_before_a_failure_is_kept(make, told, tmp_path):
    scheduler = FitScheduler(kept=FitCache(tmp_path), reporter=told, jobs=1)
    with pytest.raises(PluginError, match=r"test/failing \(test 1\) failed: ZeroDivisionError"):
        carried_out(scheduler, [make(), make(choice("Failing")), make(offset=9)])
    assert FitCache(tmp_path).find(make()) is not None
    assert FitCache(tmp_path).find(make(offset=9)) is None


def test_a_request_to_stop_is_heard_after_each_fit(make, told, tmp_path):
    def stop() -> None:
        raise KeyboardInterrupt

    scheduler = FitScheduler(kept=FitCache(tmp_path), reporter=told, jobs=1, stop_if_asked=stop)
    with pytest.raises(KeyboardInterrupt):
        carried_out(scheduler, [make(offset=k) for k in range(5)])
    assert len(Counting.fits) == 1
    assert FitCache(tmp_path).find(make()) is not None


def test_fits_that_stop_early_are_told_apart_from_those_beside_them(make, told, recwarn):
    """In four threads, among learners that fit further estimators of their own."""
    registry = Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))
    hurried = registry.one("learner", "logistic:max_iter=1")
    patient = registry.one("learner", "logistic:max_iter=500")
    many = registry.one("learner", "logistic-ovr:max_iter=500")
    few = registry.one("learner", "logistic-ovr:max_iter=1")
    learners = [hurried, patient, many, few] * 12
    fits = [make(learner, offset=k) for k, learner in enumerate(learners)]
    answers = carried_out(FitScheduler(kept=FitCache(None), reporter=told, jobs=4), fits)
    assert [one.converged for one in answers] == [False, True, True, False] * 12
    assert not [warning for warning in recwarn if issubclass(warning.category, ConvergenceWarning)]


def test_other_warnings_pass_on(make):
    with pytest.warns(FutureWarning, match="this learner is old"), early_stops_noted():
        assert make(choice("Deprecated")).carry_out().converged


def test_fits_at_a_time_do_not_use_more_threads_than_there_are_cores(make, told):
    fits = [make(choice("LooksAround"), offset=k) for k in range(4)]
    carried_out(FitScheduler(kept=FitCache(None), reporter=told, jobs=64), fits)
    assert set(LooksAround.seen) == {1}


def test_features_are_left_as_they_were(make):
    fit = make()
    before = fit.features.matrix.copy()
    fit.carry_out()
    assert np.array_equal(fit.features.matrix, before)


@given(st.integers(0, 1200), st.integers(1, 5), st.integers(0, 99))
def test_taken_rows_are_those_that_were_asked_for(count, width, seed):
    random = np.random.default_rng(seed)
    matrix = np.arange(1500 * width, dtype=np.float32).reshape(1500, width)
    kept = np.sort(random.permutation(1500)[:1400])
    rows = random.integers(0, 1400, size=count)
    taken = Features(label="", trained=True, matrix=matrix, kept=kept).take(rows)
    assert taken.flags.f_contiguous
    assert np.array_equal(taken, matrix[kept][rows])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 700, 1099])
def test_the_first_row_that_is_no_number_is_found(value, row):
    matrix = np.zeros((1100, 3), dtype=np.float32)
    features = Features.of("", matrix)
    assert features.unusable() is None
    matrix[[row, 1099], 1] = value
    assert features.unusable() == row


def test_rows_that_do_not_count_are_neither_looked_at_nor_in_the_digest():
    matrix = np.ones((6, 2), dtype=np.float32)
    kept = np.array([0, 2, 4])
    features = Features(label="", trained=True, matrix=matrix, kept=kept)
    digest = Features(label="", trained=True, matrix=matrix.copy(), kept=kept).digest
    matrix[1] = np.nan
    assert features.unusable() is None
    assert features.is_constant()
    assert features.digest == digest


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    showing = warnings.showwarning
    yield
    assert warnings.showwarning is showing


def test_two_runs_at_once_keep_the_same_fit_without_harm(make, told, tmp_path):
    crews = [FitScheduler(kept=FitCache(tmp_path), reporter=told, jobs=1) for _ in range(4)]
    fit = make()
    wanted = fit.carry_out()
    threads = [threading.Thread(target=scheduler.kept.keep, args=[fit, wanted]) for scheduler in crews]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = FitCache(tmp_path).find(fit)
    assert found is not None
    assert_same(found, wanted)
    assert len(list(Path(tmp_path).rglob("*.npz*"))) == 1


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_what_follows_from_a_batch_comes_before_the_next_one(make, told, jobs):
    """So that the answers of few batches are in memory at a time."""
    events: list[str] = []

    def batch(number: int) -> Batch:
        events.append(f"open {number}")
        return Batch(
            fits=[make(offset=10 * number + k) for k in range(3)],
            then=lambda answers: Batch(
                fits=[make(offset=10 * number + 5)],
                then=lambda following: events.append(f"through {number}"),
            ),
        )

    FitScheduler(kept=FitCache(None), reporter=told, jobs=jobs).carry_out(batch(k) for k in range(8))
    assert len(events) == 16
    half_done = np.cumsum([1 if event.startswith("open") else -1 for event in events])
    assert half_done.max() <= jobs + 1 if jobs > 1 else half_done.max() == 1


def test_a_batch_without_fits_is_through_at_once(make, told):
    followed: list[int] = []
    last = Batch(fits=[make()], then=lambda answers: followed.append(len(answers)))
    empty = Batch(fits=[], then=lambda answers: last)
    FitScheduler(kept=FitCache(None), reporter=told).carry_out(
        [empty, Batch(fits=[], then=lambda answers: None)]
    )
    assert followed == [1]


def test_fits_under_way_beside_a_failing_one_are_finished_and_kept(make, told, tmp_path):
    scheduler = FitScheduler(kept=FitCache(tmp_path), reporter=told, jobs=3)
    fits = [make(offset=1), make(choice("Failing")), make(offset=2)]
    with pytest.raises(PluginError):
        carried_out(scheduler, fits)
    assert [FitCache(tmp_path).find(fit) is not None for fit in fits] == [True, False, True]


def test_rows_of_a_mapped_file_are_read_again_after_they_were_let_go(tmp_path):
    matrix = np.arange(6000, dtype=np.float32).reshape(2000, 3)
    np.save(tmp_path / "features.npy", matrix)
    features = Features.of("", np.asarray(np.load(tmp_path / "features.npy", mmap_mode="r")))
    for _ in range(2):
        assert np.array_equal(features.take(np.arange(1999, -1, -1)), matrix[::-1])
