"""Describe an audit: what was examined and how, for JSON, CSV and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stackkit.api.dataset import FailedImage
from stackkit.audit.findings import KINDS, Audit, Kind
from stackkit.utils.csv_rows import csv_line

COLUMNS = ("kind", "id", "label", "suggested", "other", "score", "reason")
"""Columns of audit.csv; a last one, `decision`, is empty and yours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """An audit, with what is needed to understand and repeat it.

    Parameters
    ----------
    stackkit, created : str
        Version, and time in UTC.
    command : str
        The command that repeats it.
    dataset : str
        Name and options of the dataset.
    classes : sequence of str
        Names of the classes.
    protocol : str
        How images were divided into folds.
    backbones, learners : sequence of str
        What the probabilities and similarities come from.
    untrained : sequence of str
        Those of the backbones that have random weights.
    failed_images : sequence of FailedImage
        Images that could not be read, which were not examined.
    audit : Audit
        What was found.

    """

    stackkit: str
    created: str
    command: str
    dataset: str
    classes: Sequence[str]
    protocol: str
    backbones: Sequence[str]
    learners: Sequence[str]
    untrained: Sequence[str]
    failed_images: Sequence[FailedImage]
    audit: Audit

    def notes(self) -> Iterator[str]:
        """Yield what to know about the findings, a sentence each."""
        if self.untrained:
            yield (
                f"Untrained (random weights): {', '.join(self.untrained)}. Labels, near-duplicates and "
                "outliers mean little."
            )
        if self.failed_images:
            first = self.failed_images[0]
            yield (
                f"{len(self.failed_images):,} image(s) could not be read and were not examined, first "
                f"{first.id}: {first.reason}."
            )

    def summary(self, kind: Kind) -> str:
        """Return how many images of a kind there are, such as "12 of 1,115 labels look wrong"."""
        found, all_of_them = self.audit.counts[kind], self.audit.n_images
        if kind == "label":
            judged = all_of_them if self.audit.n_judged is None else self.audit.n_judged
            return f"{found:,} of {judged:,} labels look wrong; check them"
        return f"{KINDS[kind]}: {found:,} of {all_of_them:,}"

    def rows(self) -> list[dict[str, Any]]:
        """Return the findings as the CSV file has them."""
        found = [asdict(each) for each in self.audit.findings]
        return [{name: each[name] for name in COLUMNS} for each in found]

    def csv(self) -> str:
        """Return the content of audit.csv: a row per finding, to work through in a spreadsheet."""
        lines = [csv_line([*each.values(), ""]) for each in self.rows()]
        return csv_line([*COLUMNS, "decision"]) + "".join(lines)

    def document(self) -> dict[str, Any]:
        """Return the content of audit.json."""
        own = {name: getattr(self, name) for name in self.__slots__ if name != "audit"}
        own["failed_images"] = [asdict(each) for each in self.failed_images]
        found = asdict(self.audit)
        return {
            **{name: list(each) if isinstance(each, tuple) else each for name, each in own.items()},
            "notes": list(self.notes()),
            **{name: list(each) if isinstance(each, tuple) else each for name, each in found.items()},
        }
