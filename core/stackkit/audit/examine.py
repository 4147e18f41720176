"""Examine a dataset: labels, copies, outliers, photographs, and pairs of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit.api.reporter import Reporter
from stackkit.audit.findings import KINDS, Audit, Finding, Kind
from stackkit.audit.hard_pairs import hard_pairs
from stackkit.audit.labels import judged, label_findings
from stackkit.audit.measures import measure
from stackkit.audit.near_duplicates import near_duplicates
from stackkit.audit.outliers import outliers
from stackkit.audit.photographs import bad_photographs
from stackkit.audit.requirements import missing
from stackkit.audit.subject import Subject


def examine(
    subject: Subject,
    mean_probabilities: NDArray[np.floating] | None,
    reporter: Reporter,
    *,
    folder: Path | None = None,
    input_size: int = 224,
    top: int | None = None,
    most_compared: int | None = None,
) -> Audit:
    """Look for labels and images that deserve a second look.

    Parameters
    ----------
    subject : Subject
        The images.
    mean_probabilities : ndarray of shape (n, n_classes) or None
        Out-of-fold probabilities, the mean over the base learners; NaN for images that were not
        predicted. None skips labels and pairs of classes.
    reporter : Reporter
        Receives progress.
    folder : Path or None
        Where to remember what was measured on the pixels, such as the folder of the store.
    input_size : int
        Side of the images that the networks see, in pixels.
    top : int or None
        Number of findings of each kind, and of pairs of classes, to return; None returns all.
    most_compared : int or None
        Number of images up to which near-duplicates are looked for, as the time grows with its square;
        None looks for them always.

    Returns
    -------
    Audit
        Of all n images. Images that cannot be decoded have no findings about their pixels.

    """
    skipped = _skipped(subject, mean_probabilities, most_compared)
    found: dict[Kind, list[Finding]] = {}
    if mean_probabilities is not None and "label" not in skipped:
        found["label"] = label_findings(subject, mean_probabilities)
    measured = measure(subject, folder, reporter)
    if "near-duplicate" not in skipped:
        found["near-duplicate"] = near_duplicates(subject, measured, reporter)
    if "outlier" not in skipped:
        found["outlier"] = outliers(subject)
    found |= bad_photographs(subject, measured, input_size)
    return _audit(subject, mean_probabilities, found, skipped, top)


def _skipped(
    subject: Subject, mean_probabilities: NDArray[np.floating] | None, most_compared: int | None
) -> dict[str, str]:
    """Return the kinds of findings that are not looked for, and why."""
    skipped = missing(predicted=mean_probabilities is not None, features=bool(subject.features))
    if most_compared is not None and len(subject.rows) > most_compared:
        skipped["near-duplicate"] = (
            f"near-duplicates were not checked: to compare {len(subject.rows):,} images takes long; "
            "`stackkit audit` does it"
        )
    return skipped


def _audit(
    subject: Subject,
    mean_probabilities: NDArray[np.floating] | None,
    found: Mapping[Kind, Sequence[Finding]],
    skipped: Mapping[str, str],
    top: int | None,
) -> Audit:
    """Order findings by kind and by score, count them, and return the first of each kind."""
    ordered = {
        kind: sorted(found[kind], key=lambda each: -each.score) for kind in KINDS if kind in found
    }
    pairs, n_judged = [], None
    if mean_probabilities is not None:
        pairs = hard_pairs(subject.labels, mean_probabilities, subject.classes)
        n_judged = len(judged(subject.labels, mean_probabilities)) if "label" in found else None
    return Audit(
        n_images=len(subject.rows),
        findings=tuple(chain.from_iterable(each[:top] for each in ordered.values())),
        hard_pairs=tuple(pairs[:top]),
        skipped=skipped,
        counts={kind: len(each) for kind, each in ordered.items()},
        n_judged=n_judged,
    )
