"""Every built-in learner and aggregator says in ONNX what it says itself."""

import numpy as np
import onnxruntime
import pytest
from support.models import small_registry

from stackkit.api import OnnxNodes
from stackkit.evaluation.kept import Kept
from stackkit.evaluation.probabilities import class_probabilities
from stackkit.evaluation.scores import scores
from stackkit.onnx_export.classifiers import nodes_of

REGISTRY = small_registry()

LEARNERS = [
    "logistic",
    "logistic:normalise=standardise",
    "logistic:solver=batched,normalise=power",
    "logistic-ovr:normalise=l2",
    "sgd-logistic:epochs=1",
    "calibrated-svm",
    "lda",
    "ridge",
    "prototypes",
]
AGGREGATORS = [
    "soft-vote",
    "geometric-vote",
    "majority-vote",
    "weighted-vote",
    "ensemble-selection",
    "stacked-logistic",
    "average-svm",
]
N_CLASSES = 5


def labelled(labels: list[int], per_class: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Features of overlapping classes, with a row of zeros, and labels."""
    random = np.random.default_rng(0)
    y = np.repeat(labels, per_class)
    X = (random.gamma(2, 1, (len(y), 20)) + 0.6 * np.eye(20)[y]).astype(np.float32)
    X[0] = 0
    return X, y


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 4], [0, 2, 3], [1, 4]])
@pytest.mark.parametrize("text", LEARNERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_probabilities_of_a_learner_are_the_same_in_onnx(text, labels):
    X, y = labelled(labels)
    component = REGISTRY.one("learner", text)
    fitted = component.create().fit(np.asfortranarray(X), y)
    nodes = OnnxNodes()
    made = nodes_of(nodes, component, component.state_of(fitted), "X", N_CLASSES)
    found = ask(nodes, made, {"X": X})
    assert found == pytest.approx(class_probabilities(fitted, X, N_CLASSES), abs=2e-6)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 4], [0, 2, 3], [1, 4]])
@pytest.mark.parametrize("text", AGGREGATORS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_of_an_aggregator_are_the_same_in_onnx(text, labels):
    _, y = labelled(labels)
    random = np.random.default_rng(1)
    votes = np.exp(random.normal(size=(3, len(y), N_CLASSES)) + 2 * np.eye(N_CLASSES)[y])
    votes /= votes.sum(axis=2, keepdims=True)
    votes[0, :3] = np.eye(N_CLASSES)[y[:3]]  # certain, so that logarithms meet zeros
    component = REGISTRY.one("aggregator", text)
    fitted = component.create().fit(votes, y)
    nodes = OnnxNodes()
    made = nodes_of(nodes, component, component.state_of(fitted), "X", N_CLASSES)
    found = ask(nodes, made, {"X": votes})
    expected = scores(fitted, votes, len(y), N_CLASSES)
    assert found == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(found.argmax(axis=1), fitted.predict(votes))


def test_concat_says_the_same_in_onnx():
    X, y = labelled([0, 1, 2, 3, 4])
    component, inner = REGISTRY.one("aggregator", "concat"), REGISTRY.one("learner", "lda")
    fitted = component.create()
    fitted.fit([X, X[:, :7]], y, inner.create())
    kept = Kept(component=component, n_classes=N_CLASSES, learner=inner)
    nodes = OnnxNodes()

    def learner(state, features):
        return nodes_of(nodes, inner, state, features, N_CLASSES)

    made = nodes_of(nodes, component, kept.state(fitted), ["X", "Z"], N_CLASSES, learner=learner)
    found = ask(nodes, made, {"X": X, "Z": X[:, :7]})
    expected = scores(fitted, [X, X[:, :7]], len(y), N_CLASSES)
    assert found == pytest.approx(expected, abs=1e-4)


def ask(nodes: OnnxNodes, tensor: str, given: dict[str, np.ndarray]) -> np.ndarray:
    content = nodes.model(
        {name: (array.dtype, array.shape) for name, array in given.items()},
        {"found": (tensor, np.float64, (None, N_CLASSES))},
    )
    (found,) = onnxruntime.InferenceSession(content).run(["found"], given)
    return found
