"""Update a model with new images: test it on them first, then decide what still holds of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.bundle import AccuracyRecord, UpdateRecord
from stackkit.evaluation.features import Features
from stackkit.evaluation.groups import Groups
from stackkit.evaluation.out_of_fold import OutOfFold
from stackkit.model.model import Model
from stackkit.model.novelty_update import updated_novelty
from stackkit.model.recalibration import left_out_answers, represent
from stackkit.model.reliability import Reliability
from stackkit.model.trusting import calibration_figures, reliability_figures
from stackkit.model.updating import updated_stack
from stackkit.statistics.calibration import Calibration, fit_calibration
from stackkit.statistics.intervals import wilson
from stackkit.statistics.scores import expected_calibration_error, log_loss

PROTOCOL = "new images, before they were added"
_SINCE = ", before updates with "


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
    groups : ndarray of shape (n,), int64, or None
        Images with the same number belong together; None if no two do.

    """

    features: Sequence[Features]
    labels: NDArray[np.int64]
    fingerprints: Sequence[str]
    classes: tuple[str, ...]
    groups: Groups | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
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

    accuracy: AccuracyRecord | None
    figures: Mapping[str, float]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]


def measured(model: Model, new: NewImages) -> Measured:
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
    return Measured(accuracy=accuracy, figures=figures, confidence=confidence, correct=correct)


def updated_model(model: Model, new: NewImages, record: UpdateRecord, before: Measured) -> Model:
    """Return a model that is fitted on new images too.

    Parameters
    ----------
    model : Model
        One that `check_updatable` accepts.
    new : NewImages
        The images.
    record : UpdateRecord
        Where they come from; what the update does to the model is added.
    before : Measured
        What `measured` returned.

    Notes
    -----
    Answers to new images that were left out extend those that thresholds are derived from: of the model
    before the update, or of updates with the other new images if these are many, and then they give a
    new temperature too. With new classes, no earlier answer could be for them, and each answer for
    another class is less certain, so thresholds and the expected accuracy are dropped. See
    `docs/explanation/trust.md`.

    """
    answers = _answers(model, new)
    calibration = fit_calibration(answers.scores, answers.labels) if answers else model.calibration
    judged = _judged(answers, calibration) if answers else (before.confidence, before.correct)
    n_known, has_new = len(model.classes), len(new.classes) > len(model.classes)
    effects = _effects(model, has_new=has_new, recalibrated=answers is not None)
    record = replace(record, before=before.accuracy, figures=before.figures, effects=effects)
    images = None if model.images is None else model.images.with_images(new.fingerprints)
    reliability = _reliability(model.reliability, *judged, dropped=has_new)
    facts = _facts(model.facts, record)
    if answers:
        facts["calibration"] = calibration_figures(calibration, answers)
    if len(reliability.confidence):
        facts["reliability"] = reliability_figures(reliability)
    if "updatable" in facts:
        facts["updatable"] = {"images": len(images) if images else 0}
    return replace(
        model,
        classes=new.classes,
        stack=updated_stack(model.stack, new.features, new.labels, len(new.classes)),
        calibration=calibration,
        reliability=reliability,
        novelty=updated_novelty(model.novelty, new.features, new.labels, n_known),
        images=images,
        facts=facts,
    )


def _effects(model: Model, *, has_new: bool, recalibrated: bool) -> dict[str, str]:
    """Return what an update does to what the model has."""
    has = {
        "accuracy": bool(model.facts.get("accuracy")),
        "calibration": True,
        "reliability": len(model.reliability.confidence) > 0,
        "novelty": True,
        "examples": model.examples is not None,
    }
    effects = {
        "accuracy": "dropped" if has_new else "kept",
        "calibration": "updated" if recalibrated else "kept",
        "reliability": "dropped" if has_new else "updated",
        "novelty": "updated",
        "examples": "kept",
    }
    return {name: effect for name, effect in effects.items() if has[name]}


def _answers(model: Model, new: NewImages) -> OutOfFold | None:
    n_before = int(model.facts.get("provenance", {}).get("images", 0))
    if not represent(new.labels, n_before, len(new.classes)):
        return None
    return left_out_answers(model.stack, new.features, new.labels, len(new.classes), new.groups)


def _judged(found: OutOfFold, calibration: Calibration) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how certain answers are, and which are right."""
    shares = calibration.probabilities(found.scores)
    confidence = shares[np.arange(len(found.labels)), found.predicted]
    return confidence, found.predicted == found.labels


def _reliability(
    found: Reliability, confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, dropped: bool
) -> Reliability:
    if dropped or not len(found.confidence):  # once dropped, a few new answers do not bring it back
        return Reliability(confidence=np.empty(0), correct=np.empty(0, np.bool_))
    return Reliability(
        confidence=np.concatenate([found.confidence, confidence]),
        correct=np.concatenate([found.correct, correct]),
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
