"""What a model says of its answers comes from images that tell something about the model."""

from dataclasses import replace

import numpy as np

from stackkit.evaluation.features import Features
from stackkit.evaluation.out_of_fold import OutOfFold
from stackkit.model.trusting import trust_in


def answers(n: int) -> tuple[OutOfFold, list[Features]]:
    """Answers for n images of three classes in two folds, and features of the images."""
    random = np.random.default_rng(0)
    labels = np.arange(n) % 3
    scores = random.normal(size=(n, 3)) + 2 * np.eye(3)[labels]
    found = OutOfFold(
        rows=np.arange(n),
        folds=np.arange(n) // 3 % 2,
        labels=labels,
        predicted=scores.argmax(axis=1),
        scores=scores,
    )
    return found, [Features.from_matrix("f", random.normal(size=(n, 4)).astype(np.float32))]


def test_the_only_image_of_a_class_does_not_make_the_other_answers_uncertain():
    found, features = answers(31)
    scores, labels = found.scores.copy(), found.labels.copy()
    scores[30], labels[30] = [5, 0, 0], 3
    scores = np.column_stack([scores, np.full(31, np.log(1e-12))])
    # The classifiers of its fold do not know the class, those of the model do.
    with_it = trust_in(replace(found, scores=scores, labels=labels), features)
    without = trust_in(
        OutOfFold(
            rows=found.rows[:30],
            folds=found.folds[:30],
            labels=labels[:30],
            predicted=found.predicted[:30],
            scores=scores[:30],
        ),
        [Features.from_matrix("f", features[0].take(np.arange(30)))],
    )
    assert with_it.calibration == without.calibration
    assert with_it.reliability.correct.tolist() == without.reliability.correct.tolist()
    assert with_it.figures()["calibration"] == without.figures()["calibration"]
    assert len(with_it.novelty.left_out) == 31


def test_if_no_fold_knows_the_classes_of_its_images_all_answers_count():
    found, features = answers(6)
    found = replace(found, folds=found.labels % 2, predicted=(found.labels + 1) % 3)
    figures = trust_in(found, features).figures()["calibration"]
    assert figures["images"] == 6
    assert np.isfinite([figures["log_loss"]["after"], figures["ece"]["after"]]).all()
