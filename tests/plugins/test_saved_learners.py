"""Built-in learners come back from their state and predict bit for bit the same."""

import os
import subprocess
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.making import configured
from support.stacks import many

from stackkit.api import PluginError, State
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.option_syntax import parse
from stackkit.testing.transport import transported
from stackkit_plugins import lda, linear_svm, logistic, prototypes, ridge

LEARNERS: dict[str, ModuleType] = {
    "logistic": logistic,
    "logistic-ovr": logistic,
    "sgd-logistic": logistic,
    "linear-svm": linear_svm,
    "calibrated-svm": linear_svm,
    "lda": lda,
    "ridge": ridge,
    "prototypes": prototypes,
}
SOLVERS = ["lbfgs", "newton-cg", "newton-cholesky", "sag", "saga", "batched"]
CASES = [
    *(f"{name}:normalise={how}" for name in LEARNERS for how in ("none", "standardise", "l2", "power")),
    *(f"logistic:solver={solver},normalise=standardise" for solver in SOLVERS),
    "logistic:C=auto,class_weight=balanced,normalise=power,max_iter=9",
    "logistic:C=auto,solver=batched,fit_intercept=false,max_iter=9",
    "logistic-ovr:fit_intercept=false,class_weight=balanced",
    "calibrated-svm:class_weight=balanced",
    "lda:shrinkage=1,temperature=2,class_weight=balanced",
    "ridge:alpha=0.5,class_weight=balanced",
    "prototypes:temperature=0.5",
]
METHODS = ("predict", "predict_proba", "decision_function")

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:no class has two images"
)


def component(text: str) -> ConfiguredComponent:
    ((name, options),) = parse(text)
    return configured(LEARNERS[name], name, **options)


def rows(labels: np.ndarray, width: int, seed: int) -> np.ndarray:
    """Features as in a run: float32 in Fortran order, not negative, some of them always 0."""
    random = np.random.default_rng(seed)
    means = np.random.default_rng(7).random((labels.max() + 1, width))
    features = np.maximum(means[labels] + random.normal(0, 0.5, (len(labels), width)), 0)
    features[:, ::5] = 0
    return np.asfortranarray(features.astype(np.float32))


def assert_same_answers(restored: Any, fitted: Any, X: np.ndarray) -> None:
    for method in METHODS:
        if not hasattr(fitted, method):
            assert method == "decision_function" or not hasattr(restored, method)
            continue
        found, expected = (getattr(each, method)(X) for each in (restored, fitted))
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), method
        assert np.array_equal(found, expected), method


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("text", CASES)
def test_a_restored_learner_gives_the_same_bits(text: str, classes: int) -> None:
    chosen = component(text)
    labels = np.array([1, 2, 4, 7, 9])[np.arange(60) % classes]
    fitted = chosen.create()
    fitted.fit(rows(labels, 37, 0), labels)
    restored = chosen.restored(transported(chosen.state_of(fitted)), n_classes=10)
    assert restored.classes_.tolist() == fitted.classes_.tolist()
    for count in (60, 7, 1):
        assert_same_answers(restored, fitted, rows(labels[:count], 37, 1))
    assert_same_answers(restored, fitted, np.ascontiguousarray(rows(labels, 37, 1)))


@many
@given(
    text=st.sampled_from(["lda", "ridge", "prototypes", "logistic:solver=batched", "logistic:tol=0.1"]),
    shape=st.tuples(st.integers(2, 40), st.integers(1, 60)),
    seed=st.integers(0, 2**32 - 1),
)
def test_so_it_is_for_any_number_of_rows_features_and_classes(
    text: str, shape: tuple[int, int], seed: int
) -> None:
    chosen, random = component(text), np.random.default_rng(seed)
    labels = np.concatenate([[0, 3], random.integers(0, 6, shape[0])])
    X = np.asfortranarray(random.gumbel(size=(len(labels), shape[1])).astype(np.float32))
    fitted = chosen.create()
    fitted.fit(X, labels)
    restored = chosen.restored(transported(chosen.state_of(fitted)))
    assert_same_answers(restored, fitted, X)
    assert_same_answers(restored, fitted, X[:1])


def broken_states(state: State) -> dict[str, State]:
    def arrays(**changed: np.ndarray) -> State:
        return replace(state, arrays={**state.arrays, **changed})

    coefficients, classes = state.arrays["coefficients"], state.arrays["classes"]
    without = {key: each for key, each in state.arrays.items() if key != "coefficients"}
    return {
        "the array coefficients is missing": replace(state, arrays=without),
        "the array 'coefficients' of the state must be finite": arrays(
            coefficients=coefficients * np.nan
        ),
        "the array coefficients must have shape": arrays(coefficients=coefficients[:-1]),
        "got (5, 0)": arrays(coefficients=coefficients[:, :0]),
        "the array coefficients must have floats": arrays(coefficients=coefficients.astype(np.int64)),
        "the array intercepts must have shape": arrays(intercepts=np.zeros(1)),
        "classes must be labels >= 0 in ascending order": arrays(classes=classes[::-1].copy()),
        "classes must have integers": arrays(classes=classes.astype(float)),
        "must be below 10": arrays(classes=classes + 5),
        "the array mean must have shape": arrays(mean=np.zeros(1)),
        "scale must be above 0": arrays(scale=np.zeros(37)),
        "factor must be a finite number": replace(state, values={"factor": "1"}),
        "factor must be above 0": replace(state, values={"factor": -1.0}),
        "must be finite, got nan": replace(state, values={"factor": float("nan")}),
        "must be a stackkit.api.State": {"classes": classes},  # type: ignore[dict-item]
    }


def test_a_state_that_does_not_fit_is_refused_in_one_line() -> None:
    chosen = component("ridge:normalise=standardise")
    labels = np.array([1, 2, 4, 7, 9])[np.arange(60) % 5]
    fitted = chosen.create()
    fitted.fit(rows(labels, 37, 0), labels)
    for reason, state in broken_states(chosen.state_of(fitted)).items():
        with pytest.raises(PluginError) as caught:
            chosen.restored(state, n_classes=10)
        assert reason in str(caught.value)
        assert "ridge" in str(caught.value)
        assert "\n" not in str(caught.value)
    restored = chosen.restored(chosen.state_of(fitted))
    with pytest.raises(ValueError, match=r"expected features of shape \(n, 37\), got \(60, 36\)"):
        restored.predict(rows(labels, 36, 0))


def test_restoring_imports_neither_scikit_learn_nor_scipy() -> None:
    code = (
        "import sys, numpy as np\n"
        "from stackkit.api import State\n"
        "from stackkit_plugins.logistic.state import restore_logistic\n"
        "arrays = {'classes': np.arange(3), 'coefficients': np.eye(3), 'intercepts': np.zeros(3)}\n"
        "made = restore_logistic(State(arrays=arrays), solver='lbfgs', normalise='power')\n"
        "made.predict_proba(np.eye(3, dtype=np.float32))\n"
        "import stackkit_plugins.concat.aggregator, stackkit_plugins.voting.weighted\n"
        "import stackkit_plugins.voting.unweighted, stackkit_plugins.ensemble_selection.aggregator\n"
        "import stackkit_plugins.stacked_logistic.aggregator, stackkit_plugins.average_svm.state\n"
        "print(sorted({'sklearn', 'scipy', 'mlxtend'} & set(sys.modules)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
