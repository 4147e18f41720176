"""Rank labels by how little the classifiers believe them: confident learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.audit.findings import Finding
from stackkit.audit.subject import Subject
from stackkit.utils.figures import percent

METHOD = "self_confidence"
"""How labels are ranked; benchmarks/label_noise.py compares the ways that cleanlab has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRanking:
    """Labels from the least to the most credible.

    Parameters
    ----------
    rows : ndarray of shape (n_judged,), int64
        The images, the least credible label first. Images that no classifier could judge are left out.
    quality : ndarray of shape (n_judged,), float64
        Quality of each of these labels, from 0 to 1.
    suggested : ndarray of shape (n_judged,), int64
        The most probable class of each.
    suspicious : ndarray of shape (n_judged,), bool
        Whether confident learning estimates that the label is wrong.

    """

    rows: NDArray[np.int64]
    quality: NDArray[np.float64]
    suggested: NDArray[np.int64]
    suspicious: NDArray[np.bool_]


def label_findings(subject: Subject, probabilities: NDArray[np.floating]) -> list[Finding]:
    """Return the labels that look wrong; `probabilities` as for `rank_labels`."""
    ranking = rank_labels(subject.labels, probabilities)
    found = []
    for place, quality, suggested in zip(
        ranking.rows[ranking.suspicious],
        ranking.quality[ranking.suspicious],
        ranking.suggested[ranking.suspicious],
        strict=True,
    ):
        better = subject.classes[suggested]
        if suggested == subject.labels[place]:  # improbable, and still the most probable one
            better = ""
        share = float(probabilities[place, suggested])
        reason = f"{percent(quality)} probable; {subject.classes[suggested]} {percent(share)}"
        found.append(subject.finding("label", place, 1 - quality, reason, suggested=better))
    return found


def rank_labels(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> LabelRanking:
    """Rank the labels of n images; needs cleanlab.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64
        The labels.
    probabilities : ndarray of shape (n, n_classes)
        Out-of-fold probabilities: each row by classifiers that were not fitted on its image. Rows with
        NaN are left out, and so are images of a class that no classifier knew when it predicted them.

    Notes
    -----
    A label is the less credible the less probable it is, "self-confidence" [2]_. Confident learning
    estimates from the probabilities how many labels are wrong, and calls as many suspicious [1]_.

    References
    ----------
    .. [1] C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
       Labels", Journal of Artificial Intelligence Research 70, 2021.
    .. [2] J. Kuan and J. Mueller, "Model-agnostic label quality scoring to detect real-world label
       errors", ICML DataPerf workshop, 2022.

    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    rows = judged(labels, probabilities)
    empty = np.empty(0)
    if len(rows) == 0:
        return LabelRanking(rows=rows, quality=empty, suggested=rows, suspicious=empty.astype(bool))
    given, found = labels[rows], probabilities[rows].astype(np.float64)
    quality = get_label_quality_scores(given, found, method=METHOD)
    # One process: forking one that has loaded TensorFlow may hang.
    suspicious = find_label_issues(given, found, filter_by=f"low_{METHOD}", n_jobs=1)
    order = np.argsort(quality, kind="stable")
    return LabelRanking(
        rows=rows[order],
        quality=quality[order],
        suggested=found.argmax(axis=1)[order],
        suspicious=suspicious[order],
    )


def judged(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the images whose class some classifier knew when it predicted an image of the class."""
    rows = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    best = np.zeros(probabilities.shape[1])
    # A classifier gives exactly 0 to classes that it was not fitted on, such as that of a single image.
    np.maximum.at(best, labels[rows], probabilities[rows, labels[rows]])
    known: NDArray[np.int64] = rows[best[labels[rows]] > 0]
    return known
