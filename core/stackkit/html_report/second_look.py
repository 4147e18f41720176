"""The findings of an audit, by kind, as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackkit.audit.findings import KINDS, Audit, Finding
from stackkit.evidence.gathering import SHOWN_PER_KIND

FIRST = 12
"""Findings of a kind that are visible at once; the rest is folded."""

SUMMARIES: Mapping[str, str] = {
    "label": "The classifiers hold another class to be more probable. Check these labels first.",
    "near-duplicate": (
        "Copies in training and test make figures too good. Of two different labels, one is wrong."
    ),
    "outlier": "They resemble no other image of the dataset. Check that they belong to it.",
    "blurred": "Little detail is left for the networks.",
    "dark": "Underexposed; details may be lost.",
    "bright": "Overexposed; details may be lost.",
    "tiny": "They are enlarged before the networks see them.",
    "odd-shape": "Cropping or squeezing them to a square may hide what matters.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingGroup:
    """All findings of a kind: those shown at once, those folded, and how many there are."""

    kind: str
    heading: str
    summary: str
    first: Sequence[Finding]
    folded: Sequence[Finding]
    count: int

    @property
    def left_out(self) -> int:
        """Number of findings that are only in the CSV file."""
        return self.count - len(self.first) - len(self.folded)


def finding_groups(audit: Audit) -> list[FindingGroup]:
    """Return the kinds that were found, in the order of `KINDS`."""
    groups = []
    for kind, heading in KINDS.items():
        found = audit.of_kind(kind)
        if found:
            groups.append(
                FindingGroup(
                    kind=kind,
                    heading=heading[0].upper() + heading[1:],
                    summary=SUMMARIES.get(kind, ""),
                    first=found[:FIRST],
                    folded=found[FIRST:SHOWN_PER_KIND],
                    count=audit.counts.get(kind, len(found)),
                )
            )
    return groups
