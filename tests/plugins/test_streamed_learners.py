"""Learners on stored rows give what they give on arrays; updated ones, what a fit on all rows gives.

Tolerances: statistics are sums in float64, so two ways to them differ by some 1e-15 of their size;
solving for coefficients multiplies that by the condition of the matrix, at most 1e4 here. 1e-9 is far
above both, and far below what one row changes.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifierCV
from support.making import create, options_of, spec_of
from threadpoolctl import threadpool_limits

from stackkit.api import StackkitError, State, UsageError
from stackkit.testing.transport import transported
from stackkit_plugins import lda, logistic, ridge
from stackkit_plugins.lda.state import update_lda
from stackkit_plugins.logistic import minibatch
from stackkit_plugins.ridge.ridge import PATH
from stackkit_plugins.ridge.state import update_ridge
from stackkit_plugins.shared.linear_learners import stored
from stackkit_plugins.shared.linear_learners.class_statistics import statistics_of
from stackkit_plugins.shared.linear_learners.fitted import parameters
from stackkit_plugins.shared.linear_learners.stored import RowsInMemory, rows_to_leave_out

PLUGINS: dict[str, ModuleType] = {"lda": lda, "ridge": ridge}
UPDATES: dict[str, Callable[..., State]] = {"lda": update_lda, "ridge": update_ridge}
NAMES = pytest.mark.parametrize("name", PLUGINS)
CLOSE = 1e-9


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def rows_of(n: int, d: int, k: int = 5, seed: int = 0) -> tuple[Any, Any]:
    """Return (n, d) float32 rows far from 0 in the order of their labels 1, 4, 7, ..."""
    random = np.random.default_rng(seed)
    codes = np.sort(np.concatenate([np.arange(k), random.integers(0, k, n - k)]))
    means = 0.5 * random.normal(size=(k, d))
    return (20 + means[codes] + random.normal(size=(n, d))).astype(np.float32), 1 + 3 * codes


def state_of(name: str, fitted: Any) -> State:
    spec = spec_of(PLUGINS[name])
    module, _, function = spec.state.partition(":")
    return getattr(__import__(module, fromlist=[function]), function)(fitted)


def updated(name: str, state: State, X: Any, y: Any, **given: Any) -> State:
    options = options_of(spec_of(PLUGINS[name]), updatable=True, **given)
    return transported(UPDATES[name](state, X, y, **options))


def assert_same(found: Any, expected: Any, X: Any) -> None:
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    np.testing.assert_allclose(
        found.decision_function(X), expected.decision_function(X), rtol=0, atol=CLOSE * 100
    )


@NAMES
@pytest.mark.parametrize(("n", "d"), [(300, 20), (60, 90)], ids=["tall", "wide"])
@pytest.mark.parametrize("class_weight", ["none", "balanced"])
@pytest.mark.parametrize("grouped", [False, True])
def test_stored_rows_give_the_classifier_of_the_same_array(
    name: str, n: int, d: int, class_weight: str, grouped: bool, monkeypatch
):
    X, y = rows_of(n, d)
    groups = np.arange(n) // 3 if grouped else None
    for normalise in ("none", "standardise", "l2", "power"):
        given = {"class_weight": class_weight, "normalise": normalise}
        expected = create(PLUGINS[name], **given).fit(X, y, groups)
        for portion_rows in (7, n):
            monkeypatch.setattr(stored, "PORTION_BYTES", 4 * d * portion_rows)
            order = np.random.default_rng(portion_rows).permutation(n)
            mixed = None if groups is None else groups[order]
            found = create(PLUGINS[name], **given)
            found.fit_stored(RowsInMemory(X[order], y[order], mixed))
            # Means and variances of "standardise" come from float32 sums in another order.
            close = 1e-4 if normalise == "standardise" else 1e-6
            np.testing.assert_allclose(
                found.predict_proba(X), expected.predict_proba(X), rtol=0, atol=close
            )
            assert (found.predict(X) == expected.predict(X)).all()


def test_ridge_on_stored_rows_is_scikit_learns():
    X, y = rows_of(400, 30)
    found = create(ridge, normalise="none")
    found.fit_stored(RowsInMemory(X, y))
    length = np.square(X - X.mean(axis=0, dtype=np.float64)).sum() / len(X)
    expected = RidgeClassifierCV([length * step for step in PATH]).fit(X.astype(np.float64), y)
    assert found.alpha_ == pytest.approx(expected.alpha_, rel=1e-9)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=0, atol=CLOSE * 100)


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
def test_lda_on_stored_rows_is_scikit_learns(class_weight: str):
    X, y = rows_of(400, 30)
    found = create(lda, normalise="none", temperature=1, class_weight=class_weight)
    found.fit_stored(RowsInMemory(X, y))
    priors = np.full(5, 0.2) if class_weight == "balanced" else None
    expected = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3, priors=priors)
    expected.fit(X.astype(np.float64), y)
    np.testing.assert_allclose(
        found.predict_proba(X), expected.predict_proba(X.astype(np.float64)), rtol=0, atol=1e-8
    )


def test_few_rows_that_are_left_out_choose_nearly_what_all_do(monkeypatch):
    X, y = rows_of(3000, 20)
    every, some = (create(ridge, normalise="none") for _ in range(2))
    every.fit_stored(RowsInMemory(X, y))
    monkeypatch.setattr(stored, "LEFT_OUT_BYTES", 4 * 20 * 500)
    some.fit_stored(RowsInMemory(X, y))
    assert some.losses_ != every.losses_
    assert some.alpha_ / every.alpha_ == pytest.approx(1, rel=3)
    assert some.factor_ == pytest.approx(every.factor_, rel=0.1)


def test_rows_are_left_out_with_their_whole_group_up_to_a_limit():
    groups = np.array([5, 5, 9, 9, 9, 2, 2, 7])
    judged = np.array([True, True, True, False, True, False, False, True])
    for limit in range(9):
        rows = rows_to_leave_out(judged, groups, limit)
        assert len(rows) <= limit
        assert all((np.isin(np.flatnonzero(groups == each), rows)).all() for each in groups[rows])
    assert rows_to_leave_out(judged, groups, 8).tolist() == [0, 1, 2, 3, 4, 7]
    assert rows_to_leave_out(judged, None, 3).shape == (3,)
    assert rows_to_leave_out(np.zeros(8, dtype=bool), groups, 8).size == 0


def test_statistics_of_two_halves_are_those_of_the_whole():
    X, y = rows_of(200, 12)
    whole, halves = statistics_of(X, y, portion=13), [statistics_of(X[i::2], y[i::2]) for i in (0, 1)]
    merged = halves[0].merged(halves[1])
    for each in (whole, merged):
        np.testing.assert_array_equal(each.counts, np.unique(y, return_counts=True)[1])
        means = np.stack([X[y == label].mean(axis=0, dtype=np.float64) for label in each.classes])
        np.testing.assert_allclose(each.means, means, rtol=1e-14)
        centred = X - means[(y - 1) // 3]
        np.testing.assert_allclose(
            np.tril(each.lower), np.tril(centred.T @ centred), rtol=1e-12, atol=1e-10
        )


@NAMES
def test_more_rows_and_classes_make_the_model_of_one_fit_on_all(name: str):
    X, y = rows_of(240, 15)
    fixed = {"alpha": 3.0} if name == "ridge" else {}
    for normalise in ("power", "l2", "none"):
        given = {"normalise": normalise, "temperature": 0.5, **fixed}
        expected = create(PLUGINS[name], **given).fit(X, y)
        old = (y < 10) & (np.arange(len(y)) % 2 == 0)
        first = create(PLUGINS[name], updatable=True, **given).fit(X[old], y[old])
        plain = create(PLUGINS[name], **given).fit(X[old], y[old])
        np.testing.assert_array_equal(first.predict_proba(X), plain.predict_proba(X))
        state = transported(state_of(name, first))
        for part in np.array_split(np.random.default_rng(0).permutation(np.flatnonzero(~old)), 4):
            state = updated(name, state, X[part], y[part], **given)
        found = state_of(name, expected)
        for array in ("classes", "coefficients", "intercepts"):
            np.testing.assert_allclose(state.arrays[array], found.arrays[array], atol=CLOSE * 100)
        assert state.values["factor"] == found.values["factor"]


def test_the_penalty_and_the_temperature_stay_in_an_update():
    X, y = rows_of(240, 15)
    first = create(ridge, updatable=True).fit(X[::2], y[::2])
    before = state_of("ridge", first)
    after = updated("ridge", before, X[1::2], y[1::2])
    assert after.parts["statistics"].values["penalty"] == parameters(first).alpha_
    assert after.values["factor"] == before.values["factor"]
    assert updated("ridge", before, X[:0], y[:0]).values == before.values


@NAMES
def test_what_needs_the_old_rows_is_refused_in_one_line(name: str):
    for given in ({"normalise": "standardise"}, {"class_weight": "balanced"}):
        with pytest.raises(UsageError, match=r"^updatable=true cannot be combined with .* all rows"):
            create(PLUGINS[name], updatable=True, **given)
    X, y = rows_of(60, 6)
    state = state_of(name, create(PLUGINS[name]).fit(X, y))
    assert not state.parts
    with pytest.raises(ValueError, match=rf"train the model with {name}:updatable=true$"):
        updated(name, state, X, y)


@NAMES
def test_damaged_statistics_are_refused_as_invalid(name: str):
    X, y = rows_of(60, 6)
    state = state_of(name, create(PLUGINS[name], updatable=True).fit(X, y))
    arrays = dict(state.parts["statistics"].arrays)
    damages = {
        "counts": [-arrays["counts"], arrays["counts"][1:], arrays["counts"] * 1.0],
        "means": [arrays["means"] * np.nan, arrays["means"][:, 1:], arrays["means"] * 1e300],
        "scatter": [-arrays["scatter"], arrays["scatter"][1:], arrays["scatter"] * np.inf],
    }
    for key, values in damages.items():
        for value in values:
            part = replace(state.parts["statistics"], arrays={**arrays, key: value})
            hostile = replace(state, parts={"statistics": part})
            with np.errstate(all="ignore"), pytest.raises((ValueError, StackkitError)):
                updated(name, hostile, X, y)


def test_the_kept_statistics_are_small():
    X, y = rows_of(60, 64)
    fitted = create(ridge, updatable=True).fit(X, y)
    arrays = state_of("ridge", fitted).parts["statistics"].arrays
    assert sum(each.nbytes for each in arrays.values()) == 8 * (64 * 65 // 2 + 5 * 64 + 5)
    assert parameters(fitted).statistics_.n_rows == 60


class Computed:
    """Rows that are computed when they are read: (n, 64) around the means of 5 classes."""

    groups = None
    n_features = 64

    def __init__(self, n: int) -> None:
        self.labels = np.arange(n) % 5
        self.means = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
        self.longest = 0

    def read(self, rows: np.ndarray) -> np.ndarray:
        self.longest = max(self.longest, len(rows))
        noise = np.sin(rows[:, None] * (1 + np.arange(64)), dtype=np.float64)
        return self.means[self.labels[rows]] + noise.astype(np.float32)


@pytest.mark.parametrize("name", ["ridge", "lda", "sgd-logistic"])
def test_memory_does_not_grow_with_the_features_of_all_rows(name: str, monkeypatch):
    monkeypatch.setattr(stored, "PORTION_BYTES", 2**16)
    monkeypatch.setattr(minibatch, "PORTION_BYTES", 2**16)
    monkeypatch.setattr(stored, "LEFT_OUT_BYTES", 2**17)
    peaks = []
    for n in (4_000, 24_000):
        rows = Computed(n)
        given = {"epochs": 1} if name == "sgd-logistic" else {}
        learner = create(logistic if given else PLUGINS[name], name, **given)
        tracemalloc.start()
        learner.fit_stored(rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows.longest <= 256
        assert np.mean(learner.predict(rows.read(np.arange(250))) == rows.labels[:250]) > 0.95
    # Labels, their numbers and what sorts them: far below the 256 bytes of a row of features.
    assert peaks[1] - peaks[0] < 64 * 20_000


def test_small_batches_come_near_the_minimum_of_scikit_learns_logistic():
    X, y = rows_of(600, 12)
    expected = create(logistic, "logistic", normalise="standardise", tol=1e-8, max_iter=1000).fit(X, y)
    found = create(logistic, "sgd-logistic").fit(X, y)
    gap = np.abs(found.predict_proba(X) - expected.predict_proba(X))
    assert gap.mean() < 0.02
    assert np.mean(found.predict(X) == expected.predict(X)) > 0.95


def test_small_batches_use_every_row_once_in_an_epoch_in_an_order_of_the_seed():
    rows = RowsInMemory(np.arange(1001, dtype=np.float32)[:, None], np.arange(1001) % 3)

    def epoch(seed: int) -> Any:
        batches = minibatch._batches(rows, rows.labels, 64, 16, np.random.default_rng(seed))
        return np.concatenate([X.ravel() for X, codes in batches])

    assert sorted(epoch(0).tolist()) == list(range(1001))
    assert np.array_equal(epoch(0), epoch(0))
    assert not np.array_equal(epoch(0), epoch(1))
