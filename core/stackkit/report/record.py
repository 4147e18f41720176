"""The record of a finished run: everything that its report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackkit.evaluation.outcomes import Outcomes
from stackkit.evidence.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A finished run, from memory or from its folder.

    Parameters
    ----------
    document : dict
        Content of report.json.
    outcomes : Outcomes
        What was predicted.
    evidence : Evidence or None
        Images and suspicions; None if they were not gathered yet.
    folder : Path or None
        Where it is kept; None if it is only in memory.
    other : Record or None
        The same recipe under the other protocol: the official split beside cross-validation.

    """

    document: dict[str, Any]
    outcomes: Outcomes
    evidence: Evidence | None = None
    folder: Path | None = None
    other: Record | None = None
