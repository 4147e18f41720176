"""What an update keeps, updates and drops of a model, and what it notices."""

from dataclasses import replace

import numpy as np
import pytest
from support.models import CLASSES, coloured_images, features_of, small_model, small_registry

from stackkit.api.errors import UsageError
from stackkit.api.state import State
from stackkit.bundle import UpdateRecord
from stackkit.experiment.class_names import joined_classes
from stackkit.model import training_images
from stackkit.model.novelty_update import updated_novelty
from stackkit.model.training_images import TrainingImages
from stackkit.model.updated_model import NewImages, measured, updated_model
from stackkit.prediction.acceptance import acceptance

UPDATABLE = ("ridge:updatable=true,alpha=1", "soft-vote")


def new_images(per_class: int, classes: tuple[str, ...] = CLASSES, shift: int = 0) -> NewImages:
    """Images that the small model was not fitted on; a `shift` of labels makes them of other classes."""
    images, labels = coloured_images(per_class, seed=9)
    return NewImages(
        features=features_of(small_registry(), images),
        labels=(labels + shift).astype(np.int64),
        fingerprints=[str(number) for number in range(len(images))],
        classes=classes,
    )


def update(new: NewImages):
    model = replace(small_model(small_registry(), *UPDATABLE), images=TrainingImages.of(["old"]))
    record = UpdateRecord(stackkit="0.1.0", created="now", dataset="more", images=len(new.labels))
    return model, updated_model(model, new, record, measured(model, new))


def test_many_new_images_of_most_classes_give_a_new_temperature():
    for per_class, effect in ((10, "kept"), (40, "updated")):
        before, after = update(new_images(per_class))
        assert after.facts["updates"][0]["effects"]["calibration"] == effect
        assert (after.calibration == before.calibration) == (effect == "kept")
        assert len(after.reliability.confidence) == 36 + 3 * per_class
        assert len(after.images) == 1 + 3 * per_class


def test_new_classes_drop_thresholds_and_are_known_to_novelty():
    new = new_images(2, (*CLASSES, "x", "y", "z"), shift=3)
    before, after = update(new)
    assert after.classes[3:] == ("x", "y", "z")
    assert [len(each) for each in after.novelty.means] == [6, 6]
    assert len(after.novelty.left_out) == len(before.novelty.left_out) + 6
    with pytest.raises(UsageError, match="updated with new classes, so it is not known"):
        acceptance(after, None, 0.9)
    assert "not known, because the model was updated" in acceptance(after, 0.5, None).text


def test_the_only_image_of_a_new_class_is_as_novel_as_it_was():
    model, new = small_model(small_registry(), *UPDATABLE), new_images(1)
    labels = np.array([0, 1, 3])
    found = updated_novelty(model.novelty, new.features, labels, n_known=3)
    alone = updated_novelty(model.novelty, new.features, np.array([0, 1, 2]), n_known=3)
    assert np.array_equal(found.left_out, alone.left_out)
    assert [len(each) for each in found.means] == [4, 4]


def test_training_images_are_known_again_and_hostile_ones_refused(monkeypatch):
    known = TrainingImages.from_state(TrainingImages.of(["a", "b", "a"]).state())
    assert known.known(["b", "c"]).tolist() == [True, False]
    assert len(known.with_images(["b", "c"])) == 3
    monkeypatch.setattr(training_images, "MOST", 2)
    assert known.with_images(["c"]) is None
    digests = known.digests
    for wrong in (digests[::-1].copy(), digests.astype(np.float64), digests[:, None], np.zeros(3, "u8")):
        with pytest.raises(ValueError, match="digests must be"):
            TrainingImages.from_state(State(arrays={"digests": wrong}))


def test_classes_are_matched_by_name():
    assert joined_classes(("wren", "tit"), ["owl", "tit"]) == ("wren", "tit", "owl")
    for misspelled in ("Wren", "wren ", "w-ren"):
        with pytest.raises(UsageError, match=r"the model has no class .*, but 'wren'"):
            joined_classes(("wren", "tit"), [misspelled])
