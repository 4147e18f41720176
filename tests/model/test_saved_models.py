"""A model that was saved and loaded answers as before, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from support.models import coloured_images, features_of, small_model, small_registry

from stackkit.api.errors import BundleError, WeightsError
from stackkit.host.registry import with_seed
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
    save_model(loaded, tmp_path / "again.stackkit")
    assert (tmp_path / "again.stackkit").read_bytes() == (tmp_path / "m.stackkit").read_bytes()
    assert loaded.classes == model.classes
    assert loaded.revisions == model.revisions
    assert [each.text for each in loaded.backbones] == [each.text for each in model.backbones]
    assert loaded.reliability.threshold(0.9) == model.reliability.threshold(0.9)


def test_another_version_of_a_third_partys_plugin_is_a_warning(registry, tmp_path):
    model, path = small_model(registry), tmp_path / "m.stackkit"
    old = replace(model.backbones[0].component, version="0.9")
    aged = replace(model, backbones=(replace(model.backbones[0], component=old), model.backbones[1]))
    save_model(aged, path)
    (warning,) = load_model(path, registry).facts["warnings"]
    assert "made with colours/mean-colours" in warning
    assert "0.9, and" in warning
    save_model(model, path, overwrite=True)
    assert load_model(path, registry).facts["warnings"] == []


def test_a_model_whose_novelty_is_about_other_features_is_refused(registry, tmp_path):
    model, path = small_model(registry), tmp_path / "m.stackkit"
    swapped = replace(model.novelty, means=model.novelty.means[::-1])
    save_model(replace(model, novelty=swapped), path)
    with pytest.raises(BundleError, match=r"novelty .* 48, 27 features, got 27, 48"):
        load_model(path, registry)


def test_a_model_whose_network_changed_is_not_saved(registry, tmp_path):
    model = replace(small_model(registry), revisions=("other", "1"))
    with pytest.raises(WeightsError, match="mean-colours has changed since the model was fitted"):
        save_model(model, tmp_path / "m.stackkit")
    assert not (tmp_path / "m.stackkit").exists()


def test_options_and_seeds_keep_their_names(tmp_path):
    registry = with_seed(small_registry(), 7)
    model = small_model(registry, "logistic:C=10", "average-svm:C=2")
    assert "seed" not in model.stack.aggregator.label
    save_model(model, tmp_path / "m.stackkit")
    loaded = load_model(tmp_path / "m.stackkit", small_registry())
    assert loaded.stack.learners[0].component.label == model.stack.learners[0].component.label
    assert loaded.stack.aggregator.label == model.stack.aggregator.label
    assert loaded.stack.aggregator.options == model.stack.aggregator.options
