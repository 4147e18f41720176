"""Define the report of a run and write it as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stackkit.api.errors import UsageError
from stackkit.api.types import FailedImage
from stackkit.evaluation.metrics import Result, best_single
from stackkit.evaluation.protocol import Protocol
from stackkit.utils.files import atomic_write, nearest_existing_parent, temporary_path

FILE_NAME = "report.json"

PROBABILITIES = "probabilities.h5"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSize:
    """Numbers of training and test images of a fold."""

    train: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a run found out; docs/reference/report.md describes each field.

    `results` are in the order of the table, `timings` in seconds.
    """

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
        """Return the report as plain JSON types."""
        # Through JSON text, so that the document equals what a reader of report.json gets: tuples
        # become lists, and a value that JSON cannot hold raises TypeError before anything is written.
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        document["protocol"] |= {"title": self.protocol.title, "meaning": self.protocol.meaning}
        best = best_single(self.results)
        document["best_single"] = {"name": best.name, "backbone": best.backbones[0]}
        for entry, result in zip(document["results"], self.results, strict=True):
            entry["gain"] = result.accuracy - best.accuracy
        document["untrained"] = any(result.untrained for result in self.results)
        return document


def check(folder: Path, *, overwrite: bool) -> None:
    """Check whether `prepare` would succeed, as far as possible without creating anything.

    Raises
    ------
    UsageError
        If `folder` holds a report and `overwrite` is False, or cannot be created or written.

    """
    _refuse_existing(folder, overwrite=overwrite)
    parent = nearest_existing_parent(folder)
    # os.path, because Path.is_dir may raise PermissionError.
    if not (os.path.isdir(parent) and os.access(parent, os.W_OK)):  # noqa: PTH112
        raise _not_writable(folder, f"{parent} is not a writable directory")


def prepare(folder: Path, *, overwrite: bool) -> None:
    """Create the folder and check that files can be written to it, before hours of work.

    Raises
    ------
    UsageError
        If `folder` holds a report and `overwrite` is False, or cannot be created or written.

    """
    _refuse_existing(folder, overwrite=overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permissions alone do not tell: root may write anywhere, except on read-only file systems.
        trial = temporary_path(folder / FILE_NAME)
        trial.touch()
        trial.unlink()
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise _not_writable(folder, reason) from error


def _refuse_existing(folder: Path, *, overwrite: bool) -> None:
    for target in (folder / FILE_NAME, folder / PROBABILITIES):
        if os.path.lexists(target) and not overwrite:  # Path.exists may raise PermissionError
            raise UsageError(f"{target} exists; choose another --out, or pass --overwrite")


def _not_writable(folder: Path, reason: str | None) -> UsageError:
    return UsageError(f"--out {folder} cannot be written ({reason}); choose another folder")


def write(report: Report, folder: Path) -> Path:
    """Write report.json to a folder and return its path; an older one is replaced as a whole.

    Raises
    ------
    UsageError
        If the file cannot be written.

    """
    target = folder / FILE_NAME
    text = json.dumps(report.document(), indent=2) + "\n"
    try:
        with atomic_write(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written: {error.strerror}; the features are kept"
        ) from error
    return target
