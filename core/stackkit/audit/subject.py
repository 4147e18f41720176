"""The images of an audit, and what each kind of check needs to know about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Dataset, Sample
from stackkit.audit.findings import Finding, Kind
from stackkit.evaluation.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The n images that are examined.

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
    features : sequence of Features
        One entry per backbone, of the same n images. Empty skips near-duplicates and outliers.
    fingerprints : sequence of str
        Of the n images. Without them, identical files count as near-duplicates like others, and nothing
        is cached.

    """

    dataset: Dataset
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: Sequence[str]
    features: Sequence[Features]
    fingerprints: Sequence[str] = ()

    def sample(self, place: int) -> Sample:
        """Return the image at a position in `rows`."""
        return self.dataset.samples[int(self.rows[place])]

    def label(self, place: int) -> str:
        """Return the class name of the image at a position in `rows`."""
        return self.classes[int(self.labels[place])]

    def finding(
        self,
        kind: Kind,
        place: int,
        score: float,
        reason: str,
        *,
        suggested: str = "",
        other: str = "",
    ) -> Finding:
        """Return a suspicion about the image at a position in `rows`; the score is cut to 0 to 1."""
        return Finding(
            kind=kind,
            id=self.sample(place).id,
            label=self.label(place),
            score=round(float(np.clip(score, 0, 1)), 6),
            suggested=suggested,
            other=other,
            reason=reason,
        )
