"""What an audit finds: one line per suspicion, the same in CSV, JSON and in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["label", "near-duplicate", "outlier", "blurred", "dark", "bright", "tiny", "odd-shape"]

KINDS: Mapping[Kind, str] = {
    "label": "labels that look wrong",
    "near-duplicate": "images that are nearly the same",
    "outlier": "images unlike all others",
    "blurred": "blurred images",
    "dark": "dark images",
    "bright": "overexposed images",
    "tiny": "images smaller than what the networks see",
    "odd-shape": "very long or very tall images",
}
"""Heading of each kind, in the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One suspicion.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    id : str
        The image.
    label : str
        Its class by the dataset.
    score : float
        How suspicious it is, from 0 to 1; findings of a kind are ordered by it, highest first.
    suggested : str
        For labels: the class that the networks see; else "".
    other : str
        For near-duplicates: the image that it resembles; else "".
    reason : str
        The figure behind it in a few words, such as "sharpness 12; 99 % of the images have more than
        40".

    """

    kind: Kind
    id: str
    label: str
    score: float
    suggested: str = ""
    other: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardPair:
    """Two classes that are hardly separable.

    `share` is the part of the images of both that are taken for the other one, from 0 to 1; `images` is
    the number of those that are.
    """

    first: str
    second: str
    images: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Everything that an audit found.

    Parameters
    ----------
    n_images : int
        Number of images that were examined.
    findings : sequence of Finding
        By kind in the order of `KINDS`, then by score.
    hard_pairs : sequence of HardPair
        Highest share first.
    skipped : mapping of str to str
        Kinds that were not looked for, and why, in a sentence that says what to do.
    counts : mapping of Kind to int
        Number of suspicions of each kind that was looked for; `findings` may have only the first of
        them.
    n_judged : int or None
        Number of images whose labels could be judged, as they were predicted by learners that knew their
        class; None if labels were not looked at.

    """

    n_images: int
    findings: Sequence[Finding] = ()
    hard_pairs: Sequence[HardPair] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[Kind, int] = field(default_factory=dict)
    n_judged: int | None = None

    def of_kind(self, kind: Kind) -> list[Finding]:
        """Return the findings of one kind, the most suspicious first."""
        return [each for each in self.findings if each.kind == kind]
