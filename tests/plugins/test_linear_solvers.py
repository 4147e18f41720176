"""The batched solver finds scikit-learn's minimum, proves it, and warns if it could not."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils import compute_class_weight
from support.making import blobs, create
from threadpoolctl import threadpool_limits

import stackkit_plugins.logistic
from stackkit.api import OptionValue
from stackkit_plugins.shared.linear_solvers import BatchedLogisticRegression, LogisticPath


def logistic(**given: OptionValue) -> Any:
    return create(stackkit_plugins.logistic, "logistic", **given)


def test_solver_batched_passes_options_on():
    options = {
        "C": 3.0,
        "max_iter": 7,
        "tol": 0.5,
        "fit_intercept": False,
        "class_weight": "balanced",
    }
    made = logistic(solver="batched", **options)
    assert isinstance(made, BatchedLogisticRegression)
    assert made.get_params() == {**options, "warm_start": False}


def test_the_search_of_c_is_the_same_for_all_solvers():
    with threadpool_limits(1):
        found = logistic(solver="batched", C="auto").fit(*blobs())
        expected = logistic(tol=1e-6, max_iter=1000, C="auto").fit(*blobs())
    assert found.losses_ == expected.losses_


@pytest.mark.parametrize(("d", "n_classes"), [(12, 2), (12, 4), (300, 3)])
def test_each_solution_of_a_path_is_the_minimum_for_its_c(d, n_classes):
    """Narrow, and so wide that it is solved in the space of the rows."""
    X, y = birds(90, d, n_classes)
    _, codes = np.unique(y, return_inverse=True)
    options = {"weights": np.ones(90), "fit_intercept": True, "gap": 1e-12, "max_iter": 500}
    path = LogisticPath(X.astype(float), codes, **options)
    for C in (1e-4, 1e-2, 1.0, 100.0):
        coefficients, intercepts, _ = path.follow(C)
        exact = BatchedLogisticRegression(C=C, tol=1e-6, max_iter=500).fit(X.astype(float), codes)
        scores = softmax(X @ coefficients.T + intercepts, axis=1)
        assert scores == pytest.approx(exact.predict_proba(X.astype(float)), abs=1e-4)


def test_predicted_starts_save_a_third_of_the_iterations_of_warm_starts():
    X, y = birds(200, 60, 10)
    _, codes = np.unique(y, return_inverse=True)
    options = {"weights": np.ones(200), "fit_intercept": True, "gap": 1e-4, "max_iter": 500}
    path = LogisticPath(X, codes, **options)
    warm = BatchedLogisticRegression(tol=1e-2, warm_start=True)
    grid = 10.0 ** np.arange(-4, 3.5, 0.5)
    ours = sum(path.follow(float(C))[2] for C in grid)
    theirs = sum(int(warm.set_params(C=C).fit(X, codes).n_iter_[0]) for C in grid)
    assert ours < 0.7 * theirs


def objective(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return scikit-learn's objective times the sum of weights, in float64."""
    weights = compute_class_weight(model.class_weight, classes=model.classes_, y=y)
    truth = np.searchsorted(model.classes_, y)
    coefficients = model.coef_.astype(float)
    scores = X.astype(float) @ coefficients.T + model.intercept_
    if len(coefficients) == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    losses = logsumexp(scores, axis=1) - scores[np.arange(len(y)), truth]
    return float(weights[truth] @ losses + (coefficients**2).sum() / (2 * model.C))


def converged(X: np.ndarray, y: np.ndarray, **options: Any) -> LogisticRegression:
    """Fit scikit-learn's Newton solver; it may warn about the last bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=2000, **options)
        return model.fit(X.astype(float), y)


def birds(n: int, d: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features like those of networks: non-negative, not centred, with a falling spectrum."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(n) % n_classes)
    spectrum = (1 + np.arange(d)) ** -0.5
    latent = random.normal(size=(n_classes, d))[y] * spectrum + random.normal(size=(n, d)) * spectrum
    X = latent @ random.normal(size=(d, d)) / np.sqrt(d) + random.gamma(1.0, 0.4, size=d)
    X = np.maximum(X, 0)
    return (X * 30 / np.linalg.norm(X, axis=1).mean()).astype(np.float32), y * 3 + 5


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("C", [1e-6, 1e-2, 1.0, 10.0])
@pytest.mark.parametrize(
    ("n", "d", "n_classes"), [(600, 40, 12), (90, 100, 6), (60, 150, 6), (200, 20, 2)]
)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_minimum_is_scikit_learns(n, d, n_classes, C, class_weight):
    X, y = birds(n, d, n_classes)
    y[: n // 4] = 5
    found = BatchedLogisticRegression(C=C, class_weight=class_weight, max_iter=3000).fit(X, y)
    expected = converged(X, y, C=C, class_weight=class_weight)
    assert objective(found, X, y) <= objective(expected, X, y) * (1 + 1e-6)
    assert np.mean(found.predict(X) == expected.predict(X)) >= 0.999
    assert found.coef_.shape == expected.coef_.shape
    assert found.decision_function(X).shape == expected.decision_function(X).shape
    assert found.predict_proba(X) == pytest.approx(expected.predict_proba(X), abs=2e-3)


def test_on_a_hard_problem_it_is_closer_to_the_minimum_than_scikit_learns_lbfgs():
    """A quarter of the rows have a wrong label, and a large C tries to separate them anyway."""
    X, y = birds(600, 40, 12)
    y[:150] = 5
    least = objective(converged(X, y, C=100.0), X, y)
    with pytest.warns(ConvergenceWarning):
        found = BatchedLogisticRegression(C=100.0, max_iter=200).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        plain = LogisticRegression(C=100.0, max_iter=200).fit(X.astype(float), y)
    assert objective(found, X, y) - least < (objective(plain, X, y) - least) / 10


def test_with_a_huge_c_it_finds_the_same_minimum():
    random = np.random.default_rng(1)
    X = random.normal(size=(500, 8)) @ np.diag(np.geomspace(1, 1e-2, 8)) + 5
    y = (3 * X[:, :3] + random.gumbel(size=(500, 3))).argmax(axis=1)
    found = BatchedLogisticRegression(C=1e6, max_iter=2000).fit(X, y)
    expected = converged(X, y, C=1e6)
    assert objective(found, X, y) == pytest.approx(objective(expected, X, y), rel=1e-6)


@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-3])
def test_the_reported_gap_is_never_below_the_true_one(tol):
    X, y = birds(300, 30, 8)
    least = objective(converged(X, y), X, y)
    found = BatchedLogisticRegression(tol=tol).fit(X, y)
    assert found.gap_ <= tol**2
    assert objective(found, X, y) / least - 1 <= found.gap_ + 1e-7


def test_rows_classified_with_certainty_do_not_prove_convergence():
    """After two steps all probabilities are 0 or 1 and the Hessian is rounding error."""
    X = np.random.default_rng(0).normal(size=(4, 5)) * 30
    for scale in (0.3, 1.0, 3.0):
        least = objective(converged(scale * X, np.arange(4), C=100.0), scale * X, np.arange(4))
        found = BatchedLogisticRegression(C=100.0, max_iter=1000).fit(scale * X, np.arange(4))
        assert objective(found, scale * X, np.arange(4)) / least - 1 <= max(1e-6, found.gap_)


def test_a_fit_that_stops_early_warns_and_reports_its_gap():
    X, y = birds(300, 30, 8)
    with pytest.warns(ConvergenceWarning, match="stopped after 3 iterations.*raise max_iter or tol"):
        found = BatchedLogisticRegression(max_iter=3).fit(X, y)
    assert found.n_iter_.tolist() == [3]
    assert found.gap_ > 1e-8


def test_an_unreachable_tolerance_ends_with_a_warning():
    X, y = birds(100, 10, 4)
    with pytest.warns(ConvergenceWarning):
        BatchedLogisticRegression(tol=1e-40, max_iter=10**6).fit(X, y)


@pytest.mark.filterwarnings("error")
def test_a_converged_fit_does_not_warn():
    BatchedLogisticRegression().fit(*birds(300, 30, 8))


def test_dtype_and_memory_order_change_only_rounding():
    X, y = birds(300, 40, 8)
    expected = BatchedLogisticRegression().fit(X.astype(float), y)
    assert expected.coef_.dtype == np.float64
    for same in (
        X,
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        np.asfortranarray(X.astype(float)),
    ):
        found = BatchedLogisticRegression().fit(same, y)
        assert found.coef_.dtype == same.dtype
        assert found.predict_proba(same) == pytest.approx(
            expected.predict_proba(X.astype(float)), abs=1e-3
        )


def test_the_input_is_not_modified_and_may_be_read_only():
    X, y = birds(100, 20, 4)
    before = X.copy()
    X.flags.writeable = y.flags.writeable = False
    BatchedLogisticRegression().fit(X, y)
    assert np.array_equal(X, before)


def test_moving_the_origin_changes_only_the_intercept():
    X, y = birds(300, 30, 8)
    near = BatchedLogisticRegression().fit(X.astype(float), y)
    far = BatchedLogisticRegression().fit(X.astype(float) + 1e3, y)
    assert far.coef_ == pytest.approx(near.coef_, abs=1e-6)


def test_two_fits_are_identical_to_the_last_bit():
    X, y = birds(300, 30, 8)
    first, second = (BatchedLogisticRegression().fit(X, y) for _ in range(2))
    assert np.array_equal(first.coef_, second.coef_)


@pytest.mark.parametrize(("n", "d", "n_classes"), [(300, 30, 8), (60, 150, 6), (200, 20, 2)])
def test_a_warm_start_saves_steps_and_finds_the_same_minimum(n, d, n_classes):
    X, y = birds(n, d, n_classes)
    cold = BatchedLogisticRegression(C=0.02).fit(X, y)
    warm = BatchedLogisticRegression(C=0.01, warm_start=True).fit(X, y).set_params(C=0.02).fit(X, y)
    assert warm.n_iter_ <= cold.n_iter_
    assert objective(warm, X, y) == pytest.approx(objective(cold, X, y), rel=1e-6)
    assert warm.set_params().fit(X, y).n_iter_ <= 1


def test_labels_may_be_strings():
    X, y = birds(100, 20, 4)
    words = np.array(["crow", "finch", "gull", "wren"])[(y - 5) // 3]
    assert set(BatchedLogisticRegression().fit(X, words).predict(X)) == {"crow", "finch", "gull", "wren"}


@pytest.mark.parametrize("n_classes", [2, 5])
def test_uninformative_features_give_the_class_frequencies(n_classes):
    y = np.arange(60) % n_classes
    y[:20] = 0
    found = BatchedLogisticRegression().fit(np.zeros((60, 7), np.float32), y)
    assert found.predict_proba(np.zeros((1, 7)))[0] == pytest.approx(np.bincount(y) / 60, abs=1e-4)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="y must have at least two classes, got only class 3"):
        BatchedLogisticRegression().fit(np.zeros((5, 2)), np.full(5, 3))


@st.composite
def problems(draw) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Draw small problems that are degenerate in ways in which real data can be."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_classes = draw(st.integers(2, 5))
    n, d = draw(st.integers(n_classes, 25)), draw(st.integers(1, 60))
    X = random.normal(size=(n, d)) * np.geomspace(1, 10.0 ** -draw(st.integers(0, 6)), d)
    X *= draw(st.sampled_from([1e-3, 1.0, 30.0]))
    if draw(st.booleans()):
        X[:, : d // 2] = draw(st.sampled_from([0.0, 3.0]))
    if draw(st.booleans()):
        X[n // 2 :] = X[: n - n // 2]
    if draw(st.booleans()):
        X += 20
    y = np.concatenate([np.arange(n_classes), random.integers(n_classes, size=n - n_classes)])
    options = {
        "C": 10.0 ** draw(st.integers(-6, 6)),
        "fit_intercept": draw(st.booleans()),
        "class_weight": draw(st.sampled_from([None, "balanced"])),
    }
    return X.astype(draw(st.sampled_from([np.float32, np.float64]))), y, options


@given(problems())
@settings(derandomize=True)
def test_on_any_small_problem_it_finds_the_minimum_or_warns(problem):
    X, y, options = problem
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = BatchedLogisticRegression(max_iter=1000, **options).fit(X, y)
    excess = objective(found, X, y) / objective(converged(X, y, **options), X, y) - 1
    assert np.isfinite(found.coef_).all()
    if found.gap_ <= 1e-8:
        assert not caught
        assert excess <= 1e-6
    else:
        assert {warning.category for warning in caught} == {ConvergenceWarning}
