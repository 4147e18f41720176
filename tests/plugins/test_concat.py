"""concat: the checks of an aggregator of features, and parity with a scikit-learn pipeline."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import LinearSVC
from support.conformance import broken
from support.making import create
from threadpoolctl import threadpool_limits

import stackkit_plugins.concat
from stackkit_plugins.concat.aggregator import concatenate_normalised


class Spy:
    """A learner that keeps what it gets."""

    def fit(self, X, y):
        self.X = X
        self.y = y
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=np.int64)


def test_it_passes_all_checks():
    assert broken("concat") == {}


class TestConcat:
    plugin = stackkit_plugins.concat

    @pytest.mark.parametrize("learner", [LogisticRegression(), LinearSVC(random_state=0)])
    @pytest.mark.parametrize("widths", [(40,), (16, 300), (5, 64, 130, 33)])
    def test_it_predicts_the_same_rows_as_a_scikit_learn_pipeline(self, learner, widths):
        features, labels = mixed(widths, zeros=True)
        edges = np.cumsum([0, *widths])
        blocks = [(str(left), Normalizer(), slice(left, right)) for left, right in pairwise(edges)]
        wide, train, test = np.hstack(features), np.arange(0, 200), np.arange(200, 300)
        with threadpool_limits(1):
            pipeline = make_pipeline(ColumnTransformer(blocks), learner)
            expected = pipeline.fit(wide[train], labels[train]).predict(wide[test])
            concat = create(self.plugin)
            concat.fit([matrix[train] for matrix in features], labels[train], learner)
            found = concat.predict([matrix[test] for matrix in features])
        assert found.tolist() == expected.tolist()
        assert 0.3 < np.mean(found == labels[test]) < 1
        transformed = ColumnTransformer(blocks).fit_transform(wide)
        assert concatenate_normalised(features).tobytes() == transformed.tobytes()

    def test_every_part_of_a_row_has_length_1_and_zeros_stay_zero(self):
        features, _ = mixed((16, 9), zeros=True)
        wide = concatenate_normalised(features)
        for part, matrix in zip((wide[:, :16], wide[:, 16:]), features, strict=True):
            lengths = np.linalg.norm(part, axis=1)
            assert lengths == pytest.approx((matrix != 0).any(axis=1).astype(float), abs=1e-6)

    def test_the_scale_of_a_backbone_does_not_matter(self):
        features, _ = mixed((16, 9))
        scaled = concatenate_normalised([features[0] * np.float32(1000), features[1]])
        assert scaled == pytest.approx(concatenate_normalised(features), abs=1e-6)

    def test_the_learner_gets_c_contiguous_float32_which_it_does_not_copy(self):
        spy = Spy()
        features, labels = mixed((16, 9))
        create(self.plugin).fit([np.asfortranarray(matrix) for matrix in features], labels, spy)
        assert spy.X.dtype == np.float32
        assert spy.X.flags.c_contiguous
        assert spy.y.tolist() == labels.tolist()

    def test_features_are_copied_only_once(self):
        features = [np.ones((4000, 256), dtype=np.float32) for _ in range(4)]
        whole = sum(matrix.nbytes for matrix in features)
        concatenate_normalised([matrix[:10] for matrix in features])
        tracemalloc.start()
        concatenate_normalised(features)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1.25 * whole

    def test_normalising_in_chunks_changes_nothing(self):
        random = np.random.default_rng(0)
        features = [random.normal(size=(2500, width)).astype(np.float32) for width in (7, 12)]
        expected = np.hstack([Normalizer().fit_transform(matrix) for matrix in features])
        assert np.array_equal(concatenate_normalised(features), expected)


def mixed(widths: tuple[int, ...], *, zeros: bool = False) -> tuple[list[np.ndarray], np.ndarray]:
    """Return (300, width) features of several backbones on different scales, and labels of 6 classes."""
    random = np.random.default_rng(0)
    labels = random.permutation(300) % 6
    features = []
    for number, width in enumerate(widths):
        means = 0.3 * random.normal(size=(6, width))
        noisy = np.maximum(means[labels] + random.normal(size=(300, width)), 0) * 10.0**number
        if zeros:
            noisy[random.choice(300, 12, replace=False)] = 0
        features.append(noisy.astype(np.float32))
    return features, labels
