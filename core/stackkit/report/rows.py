"""Read report.json, and the rows of its table, back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from stackkit.api.errors import UsageError
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.outcomes import Outcomes
from stackkit.evaluation.references import LARGEST_CLASS
from stackkit.report.array_file import REPEAT, damaged
from stackkit.report.report import FILE_NAME

_STEPS = (
    "largest",
    "baseline",
    "learner",
    "reference",
    "in-sample",
    "out-of-fold",
    "features",
    "aggregator",
)
"""Chance, baselines, single backbones, the plain mean, then the stacks by what they learned from."""

_FIELDS = frozenset(field.name for field in fields(Result))


def read_document(folder: Path) -> dict[str, Any]:
    """Return the content of report.json in the folder of a run.

    Raises
    ------
    UsageError
        If there is none, or it is damaged.

    """
    path = folder / FILE_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{folder} holds no {FILE_NAME}; give the folder that `stackkit run --out` wrote, or a "
            "name that `stackkit runs ls` shows"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise damaged(path) from error
    if not isinstance(document, dict):
        raise damaged(path)
    for name, kind in _NEEDED.items():
        if not isinstance(document.get(name), kind):
            raise UsageError(
                f"{path} has no valid {name!r}; it was changed, or written by another stackkit; {REPEAT}"
            )
    return document


_NEEDED: Mapping[str, type] = {
    **dict.fromkeys(("stackkit", "created", "dataset"), str),
    **dict.fromkeys(("results", "classes", "class_sizes", "folds", "components"), list),
    **dict.fromkeys(("failed_images", "notes"), list),
    **dict.fromkeys(("protocol", "largest_class", "best_single", "versions", "timings"), dict),
    "n_images": int,
}
"""What a report cannot be made without; other fields of report.json may be missing."""


def results_of(document: Mapping[str, Any]) -> list[Result]:
    """Return the results and then the references of a report.

    Raises
    ------
    UsageError
        If the report has no such fields.

    """
    try:
        return [_result(each) for name in ("results", "references") for each in document.get(name, ())]
    except (TypeError, AttributeError) as error:
        raise UsageError(f"the report of {document.get('dataset')} is damaged: {error}") from error


def against_best_single(document: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Return the verdict on each row against the best row on a single backbone, by its position.

    That row itself has none, and no row of a run that was not judged has one.
    """
    verdicts = document.get("verdicts") or {}
    return {each["first"]: each for each in verdicts.get("against_best_single", ())}


def sections(rows: Sequence[Result]) -> list[int]:
    """Return the numbers of the rows that begin a new section: each kind of row has one."""
    return [number for number in range(1, len(rows)) if rows[number].kind != rows[number - 1].kind]


def check_whole(name: str, document: Mapping[str, Any], outcomes: Outcomes) -> None:
    """Check that a report and outcomes belong together; `name` is how the user calls the run.

    Raises
    ------
    UsageError
        If they do not: figures of one run would be shown with images of another. Also if a row is
        damaged.

    """
    rows = results_of(document)
    if len(rows) != len(outcomes.rows) or list(document.get("classes", ())) != list(outcomes.classes):
        raise UsageError(f"report.json and outcomes.npz of {name} are not of one run; {REPEAT}")


def step(entry: Mapping[str, Any]) -> int:
    """Return the place of a row on the ladder from chance to the stacks."""
    if entry["kind"] == "reference":
        return _STEPS.index("largest" if entry["name"] == LARGEST_CLASS else "reference")
    fit_on = entry["fit_on"] if entry["kind"] == "aggregator" else None
    return _STEPS.index(fit_on or entry["kind"])


def _result(entry: Mapping[str, Any]) -> Result:
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in entry.items()
        if name in _FIELDS  # a newer stackkit may write more
    }
    return Result(**known)
