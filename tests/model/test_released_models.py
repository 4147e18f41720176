"""Models that an earlier stackkit saved still answer, and answer the same.

The file was written by `stackkit train` on 36 textures of three kinds that `made_up_images.py` of the
benchmarks draws. Never write it again, but add new ones.
"""

from pathlib import Path

import numpy as np

from stackkit.evaluation.features import Features
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.saved import load_model

MODEL = Path(__file__).parents[1] / "bundle" / "fixtures" / "v1-trained.stackkit"
LABELS = [0, 0, 1, 2]
PROBABILITIES = [
    [0.98245614, 0.00877193, 0.00877193],
    [0.98245614, 0.00877193, 0.00877193],
    [0.00877193, 0.98245614, 0.00877193],
    [0.00877193, 0.00877193, 0.98245614],
]
NOVELTY = [0.0, 0.02777778, 0.02777778, 0.0]


def test_a_trained_model_of_schema_1_gives_the_answers_that_it_gave_then():
    model = load_model(MODEL, Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""})))
    assert model.classes == ("kind00", "kind04", "kind08")
    (means,) = model.novelty.means
    between = np.array([[1, 0, 0], [0.6, 0.4, 0], [0.3, 0.4, 0.3], [0, 0.45, 0.55]], np.float32)
    features = (between @ means).astype(np.float32)
    answers = model.answer([Features.from_matrix("efficientnet-lite0", features)])
    assert answers.labels.tolist() == LABELS
    assert np.allclose(answers.probabilities, PROBABILITIES, atol=1e-6)
    assert np.allclose(answers.novelty, NOVELTY)
