"""Scores of aggregators: what is returned is checked, and unknown classes have a column too."""

from types import SimpleNamespace

import numpy as np
import pytest

from stackkit.api.errors import PluginError
from stackkit.evaluation.scores import TINY, scores


def asked(method, found, classes=(0, 1, 2)):
    aggregator = SimpleNamespace(**{method: lambda inputs: np.asarray(found)}, classes_=list(classes))
    return scores(aggregator, None, 2, 3)


@pytest.mark.parametrize(
    ("method", "found", "said"),
    [
        ("predict_proba", [[0.5, 0.5, 0]], r"shape \(2, 3\), got \(1, 3\)"),
        ("predict_proba", [[0.5, 0.5, 0], [np.nan, 0.5, 0.5]], "finite values, got NaN"),
        ("predict_proba", [[0.5, 0.5, 0], [-0.5, 1, 0.5]], "got values below 0"),
        ("predict_proba", [[0.5, 0.5, 0], [np.inf, 1, 0.5]], "finite values, got NaN or"),
        ("decision_function", [[1, 2]], r"shape \(2, 3\), got \(1, 2\)"),
        ("decision_function", [[1, 2, np.inf]] * 2, "got NaN or infinity"),
    ],
)
def test_what_cannot_be_scores_is_refused_with_the_reason(method, found, said):
    with pytest.raises(PluginError, match=f"^{method} must return .*{said}"):
        asked(method, found)


def test_classes_without_training_images_come_last():
    found = asked("predict_proba", [[0.25, 0.75], [1, 0]], classes=[0, 2])
    assert np.exp(found) == pytest.approx(np.array([[0.25, TINY, 0.75], [1, TINY, TINY]]))
    values = asked("decision_function", [-3.0, 4.0], classes=[1, 2])
    assert values[:, 1:].tolist() == [[0, -3], [0, 4]]
    assert (values[:, 0] < values[:, 1:].min(axis=1) - 27).all()
