"""Training features above a fixed size are read in portions, by learners that can do this."""

from typing import Any

import numpy as np
import pytest
from support.making import configured

from stackkit.api.specs import LearnerSpec
from stackkit.evaluation import large_folds
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.stored_rows import FeatureRows
from stackkit.evaluation.views import Use, training_labels, training_rows
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent
from stackkit_plugins import lda, logistic, ridge
from stackkit_plugins.lda.lda import ShrinkageLDA
from stackkit_plugins.ridge.ridge import RidgeLeaveOneOut

LABELS = np.random.default_rng(0).permutation(np.arange(120) % 3)
GROUPS = np.arange(120) // 2
TRAIN, TEST = np.arange(90)[::-1], np.arange(90, 120)
MEANS = np.random.default_rng(1).normal(size=(3, 8))


@pytest.fixture
def features(tmp_path) -> Features:
    """Two views of 120 images, of which the second one is in a file."""
    random = np.random.default_rng(2)
    views = [(MEANS[LABELS] + random.normal(size=(120, 8))).astype(np.float32) for _ in range(2)]
    np.save(tmp_path / "view.npy", views[1])
    return Features.from_matrices("toy", [views[0], np.load(tmp_path / "view.npy", mmap_mode="r")])


def result(learner: ConfiguredComponent, features: Features, **changed: Any) -> FitResult:
    given: dict[str, Any] = {
        "learner": learner,
        "features": features,
        "labels": LABELS,
        "n_classes": 4,
        "train": TRAIN,
        "test": TEST,
        "probabilities": True,
        "in_sample": True,
    }
    return LearnerFit(**{**given, **changed}).run()


@pytest.mark.parametrize("use", ["whole", "rows", "average", "probabilities", "auto"])
@pytest.mark.parametrize("groups", [None, GROUPS], ids=["rows", "groups"])
def test_a_large_fold_gives_the_predictions_of_the_same_small_one(features, use, groups, monkeypatch):
    seen = features if use != "whole" else Features.from_matrix("toy", features.matrices[0])
    for plugin, fitted in ((ridge, RidgeLeaveOneOut), (lda, ShrinkageLDA)):
        learner = configured(plugin)
        if use != "whole":
            learner = ConfiguredComponent(**{**vars(learner), "host_options": {"views": use}})
        monkeypatch.undo()
        small = result(learner, seen, groups=groups)
        monkeypatch.setattr(large_folds, "LARGE_BYTES", 0)
        monkeypatch.setattr(large_folds, "PORTION_BYTES", 4 * 8 * 7)
        monkeypatch.setattr(fitted, "fit", None)  # only fit_stored is called
        large = result(learner, seen, groups=groups)
        np.testing.assert_array_equal(large.labels, small.labels)
        np.testing.assert_allclose(large.probabilities, small.probabilities, rtol=0, atol=1e-6)
        np.testing.assert_allclose(large.in_sample, small.in_sample, rtol=0, atol=1e-6)
        assert large.views == small.views
    monkeypatch.undo()


def test_other_learners_get_arrays_however_large_a_fold_is(features, monkeypatch):
    learner = configured(logistic, "logistic")
    whole = Features.from_matrix("toy", features.matrices[0])
    before = result(learner, whole)
    monkeypatch.setattr(large_folds, "LARGE_BYTES", 0)
    after = result(learner, whole)
    assert before.probabilities is not None
    assert after.probabilities is not None
    assert before.probabilities.tobytes() == after.probabilities.tobytes()


def test_the_limit_is_a_number_of_bytes_that_no_machine_changes():
    assert large_folds.LARGE_BYTES == 4 * 2**30
    wide = Features.from_matrix("toy", np.broadcast_to(np.float32(0), (3, 2**20)))
    assert not large_folds.is_streamed(RidgeLeaveOneOut(), wide, 1024)
    assert large_folds.is_streamed(RidgeLeaveOneOut(), wide, 1025)


@pytest.mark.parametrize("use", ["whole", "rows", "average", "probabilities"])
def test_rows_are_read_in_any_order_as_the_array_has_them(features, use: Use):
    expected = training_rows(features, TRAIN, LABELS[TRAIN], GROUPS[TRAIN], use)
    labels, groups = training_labels(features, LABELS[TRAIN], GROUPS[TRAIN], use)
    rows = FeatureRows(features=features, images=TRAIN, labels=labels, groups=groups, use=use)
    np.testing.assert_array_equal(rows.labels, expected.labels)
    np.testing.assert_array_equal(rows.groups, expected.groups)
    assert rows.n_features == 8
    for numbers in (np.arange(len(labels)), np.array([5, len(labels) - 1, 0, 5]), np.arange(0)):
        np.testing.assert_array_equal(rows.read(numbers), expected.features[numbers])


def test_a_third_party_learner_may_stream_too(features, monkeypatch):
    spec = LearnerSpec(name="own", summary="", factory=f"{__name__}:Counting", probabilities=False)
    component = Component(spec=spec, plugin="test", distribution="test", version="1")
    learner = ConfiguredComponent(component=component, options={}, name="own")
    monkeypatch.setattr(large_folds, "LARGE_BYTES", 0)
    monkeypatch.setattr(large_folds, "PORTION_BYTES", 4 * 8 * 7)
    found = result(
        learner,
        Features.from_matrix("toy", features.matrices[0]),
        probabilities=False,
        in_sample=False,
    )
    assert found.labels.tolist() == [int(np.bincount(LABELS[TRAIN]).argmax())] * len(TEST)
    assert found.probabilities is None


class Counting:
    """Predicts the most frequent label; it reads one row at a time."""

    def fit_stored(self, rows: Any) -> object:
        for number in range(len(rows.labels)):
            assert rows.read(np.array([number])).shape == (1, rows.n_features)
        self.label = int(np.bincount(rows.labels).argmax())
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        assert len(X) <= 7
        return np.full(len(X), self.label)
