"""The report of one run, and its JSON form."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from stackkit.errors import UsageError
from stackkit.evaluate import Result, best_single
from stackkit.types import FailedImage

FILE_NAME = "report.json"

PROBABILITIES = "probabilities.h5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How training and test images were told apart."""

    kind: Literal["cross-validation", "official-split"]
    folds: int
    shuffle: bool
    seed: int
    repeats: int = 1

    @property
    def title(self) -> str:
        """The protocol in a few words."""
        if self.kind == "official-split":
            return "official split"
        order = f"shuffled, seed {self.seed}" if self.shuffle else "not shuffled"
        often = f", repeated {self.repeats} times" if self.repeats > 1 else ""
        return f"{self.folds}-fold stratified cross-validation, {order}{often}"

    @property
    def meaning(self) -> str:
        """What figures under this protocol say and do not say."""
        if self.kind == "official-split":
            return (
                "Official split: learned from the training part, measured once on the test part. "
                "Not comparable with cross-validation figures."
            )
        often = "once" if self.repeats == 1 else f"once in each of {self.repeats} repeats"
        return (
            f"{self.folds}-fold cross-validation: every image is predicted {often}, by classifiers "
            "fitted without it. Not comparable with figures on an official split."
        )


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
