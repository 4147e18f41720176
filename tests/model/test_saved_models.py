"""A model that was saved and loaded answers as before, bit for bit."""

import numpy as np
import pytest
from support.models import coloured_images, features_of, small_model, small_registry

from stackkit.model.saved import load_model, save_model

LEARNERS = ("logistic:C=10", "logistic:C=auto", "lda", "ridge", "prototypes")
AGGREGATORS = (
    "average-svm", "average-svm:fit_on=in-sample,dual=auto", "soft-vote", "geometric-vote",
    "weighted-vote", "ensemble-selection", "stacked-logistic", "concat",
)  # fmt: skip


@pytest.fixture(scope="module")
def registry():
    return small_registry()


def same(one, other):
    for name in ("labels", "probabilities", "votes", "novelty", "novel"):
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype
        assert np.array_equal(first, second), name


@pytest.mark.parametrize(
    ("learner", "aggregator"),
    [*((each, "average-svm") for each in LEARNERS), *(("logistic", each) for each in AGGREGATORS)],
)
def test_every_kind_of_model_answers_bit_for_bit_as_before(registry, tmp_path, learner, aggregator):
    model = small_model(registry, learner, aggregator)
    save_model(model, tmp_path / "m.stackkit")
    loaded = load_model(tmp_path / "m.stackkit", registry)
    features = features_of(registry, coloured_images(7, seed=3)[0])
    same(model.answer(features), loaded.answer(features))
    assert loaded.classes == model.classes
    assert loaded.revisions == model.revisions
    assert [each.text for each in loaded.backbones] == [each.text for each in model.backbones]
    assert loaded.reliability.threshold(0.9) == model.reliability.threshold(0.9)
