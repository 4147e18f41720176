"""The report of one run, and its JSON form."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stackkit.api.errors import UsageError
from stackkit.api.types import FailedImage
from stackkit.evaluation.metrics import Result, best_single
from stackkit.evaluation.protocol import Protocol

FILE_NAME = "report.json"

PROBABILITIES = "probabilities.h5"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSize:
    """Numbers of images that were learned from and that were predicted."""

    train: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a run found out; `results` in the order of the table."""

    stackkit: str
    created: str
    dataset: str
    protocol: Protocol
    classes: tuple[str, ...]
    n_images: int
    folds: tuple[FoldSize, ...]
    failed_images: tuple[FailedImage, ...]
    results: tuple[Result, ...]
    components: tuple[Mapping[str, Any], ...]
    extraction: Mapping[str, Mapping[str, int]]
    versions: Mapping[str, str]
    timings: Mapping[str, float]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The report as plain JSON types."""
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        document["protocol"] |= {"title": self.protocol.title, "meaning": self.protocol.meaning}
        best = best_single(self.results)
        document["best_single"] = {"name": best.name, "backbone": best.backbones[0]}
        for entry, result in zip(document["results"], self.results, strict=True):
            entry["gain"] = result.accuracy - best.accuracy
        document["untrained"] = any(result.untrained for result in self.results)
        return document


def check(folder: Path, *, overwrite: bool) -> None:
    """Refuse by UsageError what `prepare` would refuse; makes nothing."""
    _refuse_taken(folder, overwrite=overwrite)
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not (os.path.isdir(there) and os.access(there, os.W_OK)):  # noqa: PTH112 - Path.is_dir may raise
        raise _cannot_be_written(folder, f"{there} is a file, or not yours to write in")


def prepare(folder: Path, *, overwrite: bool) -> None:
    """Make sure before the work that a report can be written there; raises UsageError."""
    _refuse_taken(folder, overwrite=overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{FILE_NAME}.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise _cannot_be_written(folder, reason) from error


def _refuse_taken(folder: Path, *, overwrite: bool) -> None:
    for target in (folder / FILE_NAME, folder / PROBABILITIES):
        if os.path.lexists(target) and not overwrite:  # Path.exists may raise
            raise UsageError(f"{target} exists; choose another --out, or say --overwrite")


def _cannot_be_written(folder: Path, reason: str | None) -> UsageError:
    return UsageError(f"--out {folder} cannot be written ({reason}); choose another folder")


def write(report: Report, folder: Path) -> Path:
    """Write report.json aside and rename it into place."""
    target, aside = folder / FILE_NAME, folder / f".{FILE_NAME}.{os.getpid()}"
    try:
        aside.write_text(json.dumps(report.document(), indent=2) + "\n", encoding="utf-8")
        aside.replace(target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}; features are kept") from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    return target
