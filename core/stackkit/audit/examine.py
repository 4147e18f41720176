"""Examine a dataset: labels, copies, outliers, photographs, and pairs of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Dataset
from stackkit.api.reporter import Reporter
from stackkit.audit.findings import KINDS, Audit, Finding, HardPair, Kind
from stackkit.audit.hard_pairs import hard_pairs
from stackkit.audit.labels import judged, label_findings
from stackkit.audit.measures import measure
from stackkit.audit.near_duplicates import near_duplicates
from stackkit.audit.outliers import outliers
from stackkit.audit.photographs import bad_photographs
from stackkit.audit.requirements import missing
from stackkit.audit.subject import Subject
from stackkit.evaluation.features import Features


def examine(
    *,
    dataset: Dataset,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    mean_probabilities: NDArray[np.floating] | None,
    features: Sequence[Features],
    reporter: Reporter,
    fingerprints: Sequence[str] = (),
    folder: Path | None = None,
    input_size: int = 224,
    top: int | None = None,
    most_compared: int | None = None,
) -> Audit:
    """Look for labels and images that deserve a second look.

    Parameters
    ----------
    dataset : Dataset
        Decodes the images.
    rows : ndarray of shape (n,), int64
        The images: positions in `dataset.samples`.
    labels : ndarray of shape (n,), int64
        Their labels.
    classes : sequence of str
        Class names; a label is an index into them.
    mean_probabilities : ndarray of shape (n, n_classes) or None
        Out-of-fold probabilities, the mean over the base learners; NaN for images that were not
        predicted. None skips labels and pairs of classes.
    features : sequence of Features
        One entry per backbone, of the same n images. Empty skips near-duplicates and outliers.
    reporter : Reporter
        Receives progress.
    fingerprints : sequence of str
        Of the n images. Without them, identical files count as near-duplicates like others, and nothing
        is cached.
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
    subject = Subject(
        dataset=dataset,
        rows=rows,
        labels=labels,
        classes=classes,
        features=features,
        fingerprints=fingerprints,
    )
    skipped = missing(predicted=mean_probabilities is not None, features=bool(features))
    if most_compared is not None and len(rows) > most_compared:
        skipped["near-duplicate"] = (
            f"near-duplicates were not checked: to compare {len(rows):,} images takes long; "
            "`stackkit audit` does it"
        )
    found: dict[Kind, list[Finding]] = {}
    n_judged = None
    if mean_probabilities is not None and "label" not in skipped:
        found["label"] = label_findings(subject, mean_probabilities)
        n_judged = len(judged(labels, mean_probabilities))
    measured = measure(subject, folder, reporter)
    if "near-duplicate" not in skipped:
        found["near-duplicate"] = near_duplicates(subject, measured, reporter)
    if "outlier" not in skipped:
        found["outlier"] = outliers(subject)
    found |= bad_photographs(subject, measured, input_size)
    pairs = [] if mean_probabilities is None else hard_pairs(labels, mean_probabilities, classes)
    return replace(_audit(len(rows), found, skipped, top, pairs), n_judged=n_judged)


def _audit(
    n_images: int,
    found: Mapping[Kind, Sequence[Finding]],
    skipped: Mapping[str, str],
    top: int | None,
    pairs: Sequence[HardPair],
) -> Audit:
    """Order findings by kind and by score, count them, and return the first of each kind."""
    ordered = {
        kind: sorted(found[kind], key=lambda each: -each.score) for kind in KINDS if kind in found
    }
    return Audit(
        n_images=n_images,
        findings=tuple(chain.from_iterable(each[:top] for each in ordered.values())),
        hard_pairs=tuple(pairs[:top]),
        skipped=skipped,
        counts={kind: len(each) for kind, each in ordered.items()},
    )
