"""The small model of the tests is a real one: it labels new images and tells what is novel."""

import numpy as np
import pytest
from PIL import Image
from support.models import coloured_images, features_of, small_model, small_registry


@pytest.mark.parametrize("aggregator", ["average-svm", "concat", "stacked-logistic"])
def test_a_small_model_labels_new_images(aggregator):
    registry = small_registry()
    model = small_model(registry, aggregator=aggregator)
    images, labels = coloured_images(5, seed=1)
    answers = model.answer(features_of(registry, images))
    assert np.array_equal(answers.labels, labels)
    assert answers.probabilities.sum(axis=1) == pytest.approx(1)
    assert answers.votes.shape == (2, 15, 3)
    white = model.answer(features_of(registry, [Image.new("RGB", (20, 20), "white")]))
    assert white.novel.tolist() == [True]
