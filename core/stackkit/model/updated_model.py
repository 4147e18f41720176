"""Update a model with new images: test it on them first, then decide what still holds of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.bundle import AccuracyRecord, UpdateRecord
from stackkit.evaluation.features import Features
from stackkit.model.model import Model
from stackkit.model.novelty_update import updated_novelty
from stackkit.model.reliability import Reliability
from stackkit.model.trusting import reliability_figures
from stackkit.model.updating import updated_stack
from stackkit.statistics.intervals import wilson
from stackkit.statistics.scores import expected_calibration_error, log_loss

PROTOCOL = "new images, before they were added"
_SINCE = ", before updates with "
_EFFECT = {False: "updated", True: "dropped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImages:
    """Images that a model was not fitted on.

    Attributes
    ----------
    features : sequence of Features
        One entry per backbone of the model, with n rows each.
    labels : ndarray of shape (n,), int64
        Indices into `classes`.
    fingerprints : sequence of str
        Fingerprints of their contents.
    classes : tuple of str
        The model's classes in their order, then the new ones.

    """

    features: Sequence[Features]
    labels: NDArray[np.int64]
    fingerprints: Sequence[str]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOnNew:
    """What a model says about new images before it is fitted on them.

    Attributes
    ----------
    accuracy : AccuracyRecord or None
        Of the images of classes that the model knows; None if there are none.
    figures : mapping of str to float
        See `UpdateRecord.figures`.
    confidence, correct : ndarray of shape (n_known,), float64 and bool
        As those of `Reliability`.

    """

    __test__ = False  # no test class, whatever pytest concludes from its name

    accuracy: AccuracyRecord | None
    figures: Mapping[str, float]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]


def tested(model: Model, new: NewImages) -> TestOnNew:
    """Let a model answer for new images whose labels are known."""
    found, known = model.answer(new.features), new.labels < len(model.classes)
    labels, shares = new.labels[known], found.probabilities[known]
    correct = found.labels[known] == labels
    figures = dict[str, float]()
    accuracy = None
    if len(labels):
        figures = {
            "log_loss": log_loss(shares, labels),
            "ece": expected_calibration_error(shares, labels),
            "novel_known": float(found.novel[known].mean()),
        }
        accuracy = AccuracyRecord(
            accuracy=float(correct.mean()),
            interval=wilson(int(correct.sum()), len(labels)),
            images=len(labels),
            protocol=PROTOCOL,
        )
    if not known.all():
        figures["novel_new"] = float(found.novel[~known].mean())
    confidence = shares[np.arange(len(labels)), found.labels[known]]
    return TestOnNew(accuracy=accuracy, figures=figures, confidence=confidence, correct=correct)


def updated_model(model: Model, new: NewImages, record: UpdateRecord, before: TestOnNew) -> Model:
    """Return a model that is fitted on new images too.

    Parameters
    ----------
    model : Model
        One that `check_updatable` accepts.
    new : NewImages
        The images.
    record : UpdateRecord
        Where they come from; what the update does to the model is added.
    before : TestOnNew
        What `tested` returned.

    Notes
    -----
    Answers that the model gave to new images before the update are answers to images that were left
    out, so they extend those that thresholds are derived from. With new classes, no earlier answer
    could be for them, and each answer for another class is less certain, so thresholds and the expected
    accuracy are dropped. The temperature is about the kind of classifier more than about the classes,
    and is kept. See `docs/explanation/trust.md`.

    """
    n_known, has_new = len(model.classes), len(new.classes) > len(model.classes)
    effects = {
        "accuracy": ("dropped" if has_new else "kept") if model.facts.get("accuracy") else "none",
        "calibration": "kept",
        "reliability": "none" if not len(model.reliability.confidence) else _EFFECT[has_new],
        "novelty": "updated",
        "examples": "kept" if model.examples else "none",
    }
    effects = {name: effect for name, effect in effects.items() if effect != "none"}
    record = replace(record, before=before.accuracy, figures=before.figures, effects=effects)
    images = None if model.images is None else model.images.with_images(new.fingerprints)
    reliability = _reliability(model.reliability, before, dropped=has_new)
    facts = _facts(model.facts, record)
    if len(reliability.confidence):
        facts["reliability"] = reliability_figures(reliability)
    if "updatable" in facts:
        facts["updatable"] = {"images": len(images) if images else 0}
    return replace(
        model,
        classes=new.classes,
        stack=updated_stack(model.stack, new.features, new.labels, len(new.classes)),
        reliability=reliability,
        novelty=updated_novelty(model.novelty, new.features, new.labels, n_known),
        images=images,
        facts=facts,
    )


def _reliability(found: Reliability, before: TestOnNew, *, dropped: bool) -> Reliability:
    if dropped or not len(found.confidence):  # once dropped, a few new answers do not bring it back
        return Reliability(confidence=np.empty(0), correct=np.empty(0, np.bool_))
    return Reliability(
        confidence=np.concatenate([found.confidence, before.confidence]),
        correct=np.concatenate([found.correct, before.correct]),
    )


def _facts(facts: Mapping[str, Any], record: UpdateRecord) -> dict[str, Any]:
    """Return what the manifest says of the updated model."""
    found = {name: each for name, each in facts.items() if name not in ("sha256", "reliability")}
    updates = [*facts.get("updates", ()), asdict(record)]
    found["updates"] = updates
    if provenance := facts.get("provenance"):
        found["provenance"] = {
            **provenance,
            "stackkit": record.stackkit,
            "created": record.created,
            "images": provenance["images"] + record.images,
        }
    accuracy = facts.get("accuracy")
    found["accuracy"] = None
    if accuracy and record.effects["accuracy"] == "kept":
        total = sum(each["images"] for each in updates)
        protocol = f"{accuracy['protocol'].partition(_SINCE)[0]}{_SINCE}{total:,} images"
        found["accuracy"] = {**accuracy, "protocol": protocol}
    return found
