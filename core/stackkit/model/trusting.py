"""Find out how far to trust a stack, from what it says about images that were left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stackkit.evaluation.features import Features
from stackkit.evaluation.out_of_fold import OutOfFold
from stackkit.model.novelty import NoveltyDetector, fit_novelty
from stackkit.model.reliability import Reliability
from stackkit.statistics.calibration import Calibration, cross_fitted, fit_calibration
from stackkit.statistics.scores import expected_calibration_error, log_loss

PRECISION = 0.95
"""The coverage is shown for this precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What makes the answers of a model trustworthy, and the answers that probabilities come from."""

    calibration: Calibration
    reliability: Reliability
    novelty: NoveltyDetector
    answers: OutOfFold

    def figures(self) -> dict[str, Any]:
        """Return figures to show: "calibration", "reliability" and "novelty", as JSON values."""
        return {
            "calibration": calibration_figures(self.calibration, self.answers),
            "reliability": reliability_figures(self.reliability),
            "novelty": {"quantile": self.novelty.quantile},
        }


def calibration_figures(calibration: Calibration, answers: OutOfFold) -> dict[str, Any]:
    """Return figures to show of a temperature.

    Log-loss and expected calibration error before and after calibration are of images that were left
    out; the temperature for "after" comes from the other folds.
    """
    scores, labels = answers.scores, answers.labels
    before = Calibration(temperature=1.0).probabilities(scores)
    after = cross_fitted(scores, labels, answers.folds)
    return {
        "temperature": calibration.temperature,
        "log_loss": {"before": log_loss(before, labels), "after": log_loss(after, labels)},
        "ece": {
            "before": expected_calibration_error(before, labels),
            "after": expected_calibration_error(after, labels),
        },
        "images": len(labels),
    }


def reliability_figures(reliability: Reliability) -> dict[str, float]:
    """Return the figures to show of the threshold for `PRECISION`."""
    threshold = reliability.threshold(PRECISION)
    return {
        "target_precision": PRECISION,
        "confidence": threshold.confidence,
        "precision": threshold.precision,
        "coverage": threshold.coverage,
    }


def trust_in(found: OutOfFold, features: Sequence[Features]) -> Trust:
    """Calibrate a stack and describe its training images.

    Parameters
    ----------
    found : OutOfFold
        What the stack says about its n training images when they are left out.
    features : sequence of Features
        Those of the same images, one entry per backbone.

    """
    able = found.of_known_classes()
    calibration = fit_calibration(able.scores, able.labels)
    each = np.arange(len(able.rows))
    confidence = calibration.probabilities(able.scores)[each, able.predicted]
    return Trust(
        calibration=calibration,
        reliability=Reliability(confidence=confidence, correct=able.predicted == able.labels),
        novelty=fit_novelty(features, found.labels, found.folds),
        answers=able,
    )
