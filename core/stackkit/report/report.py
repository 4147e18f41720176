"""Define the report of a run and write it as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stackkit.api.dataset import FailedImage
from stackkit.api.errors import UsageError
from stackkit.evaluation.learning_curve import LearningCurve
from stackkit.evaluation.metrics import Result, best_single
from stackkit.evaluation.overlaps import Duplicates, GroupSummary
from stackkit.evaluation.protocol import Protocol
from stackkit.recipe import Recipe, Setting, changes, command
from stackkit.utils.files import atomic_write, nearest_existing_parent, require_writable
from stackkit.verdicts.verdict import Verdicts

if sys.platform != "win32":
    import fcntl

FILE_NAME = "report.json"

PROBABILITIES = "probabilities.h5"

PREDICTIONS = "predictions.csv"

OUTCOMES = "outcomes.npz"

EVIDENCE = "evidence.npz"

PAGE = "report.html"

OFFICIAL_SPLIT = "official-split"
"""Folder in that of a run with both protocols: the files of its second evaluation."""

FILES = (FILE_NAME, PROBABILITIES, PREDICTIONS, OUTCOMES, EVIDENCE, PAGE)
"""All files of a run."""

_REPLACED = (PREDICTIONS, OUTCOMES, EVIDENCE, PAGE)
"""Files that are written after report.json, and may fail to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSize:
    """Numbers of training and test images of a fold."""

    train: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestClass:
    """The class with most test images, and its share of them: the accuracy of always answering it."""

    name: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeUsed:
    """The recipe by its name or path, the settings that replaced its own, and how to repeat the run.

    `changes` has the keys of a recipe file, `command` is quoted for a shell.
    """

    name: str
    changes: Mapping[str, Setting]
    command: str

    @classmethod
    def of(cls, recipe: Recipe) -> RecipeUsed:
        """Return what a report says of a recipe."""
        return cls(name=recipe.file.name, changes=changes(recipe), command=command(recipe))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorUsed:
    """What computed, without its options: addresses and paths belong to one place and one user."""

    name: str
    distribution: str
    version: str
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Time that a row of the table took, in seconds; None where it is not known.

    `network_s` is the time in the networks for all images, `fit_s` that of all fits that the row needs,
    whether they ran in this run or were found in the cache.
    """

    network_s: float | None
    fit_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a run found out; docs/reference/report.md describes each field.

    `results` are in the order of the table, `timings` in seconds, `class_sizes` is the number of test
    images of each of `classes`. `model` is None unless a model was trained; it says how calibrated its
    answers are, and which confidence to ask for. `references` are what rows are measured against: always
    answering the largest class, and the plain mean of all probabilities where no row is that. `costs`
    has an entry for each of `results`, then of `references`. `executor` is None only in older reports.
    """

    stackkit: str
    created: str
    dataset: str
    protocol: Protocol
    classes: tuple[str, ...]
    n_images: int
    class_sizes: tuple[int, ...]
    folds: tuple[FoldSize, ...]
    groups: GroupSummary | None
    duplicates: Duplicates
    failed_images: tuple[FailedImage, ...]
    results: tuple[Result, ...]
    components: tuple[Mapping[str, Any], ...]
    extraction: Mapping[str, Mapping[str, int]]
    versions: Mapping[str, str]
    timings: Mapping[str, float]
    notes: tuple[str, ...]
    suspect_images: tuple[FailedImage, ...] = ()
    recipe: RecipeUsed | None = None
    model: Mapping[str, Any] | None = None
    references: tuple[Result, ...] = ()
    costs: tuple[Cost, ...] = ()
    verdicts: Verdicts | None = None
    learning_curve: LearningCurve | None = None
    executor: ExecutorUsed | None = None

    @property
    def largest_class(self) -> LargestClass:
        """The class with most test images; the first one of equals."""
        size = max(self.class_sizes)
        name = self.classes[self.class_sizes.index(size)]
        return LargestClass(name=name, share=size / sum(self.class_sizes))

    def document(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        # Through JSON text, so that the document equals what a reader of report.json gets: tuples
        # become lists, and a value that JSON cannot hold raises TypeError before anything is written.
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        document["protocol"] |= {"title": self.protocol.title, "meaning": self.protocol.meaning}
        document["largest_class"] = asdict(self.largest_class)
        best = best_single(self.results)
        document["best_single"] = {"name": best.name, "backbone": best.backbones[0]}
        for entry in (*document["results"], *document["references"]):
            entry["gain"] = entry["accuracy"] - best.accuracy
        document["untrained"] = any(result.untrained for result in self.results)
        for name in ("model", "verdicts", "learning_curve", "executor"):
            if getattr(self, name) is None:
                del document[name]
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
        require_writable(folder / FILE_NAME)
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise _not_writable(folder, reason) from error


@contextmanager
def reserved(folder: Path, *, overwrite: bool) -> Iterator[None]:
    """Prepare the folder, and keep other runs from writing to it during the block.

    Raises
    ------
    UsageError
        As `prepare`, or if another run has reserved the folder.

    Notes
    -----
    The lock is on the folder itself, so it leaves no file behind and ends with the process. Where
    folders cannot be locked (Windows, some network file systems), `write` still refuses to replace
    a report that appeared in the meantime.

    """
    prepare(folder, overwrite=overwrite)
    with ExitStack() as held:
        if sys.platform != "win32":
            try:
                descriptor = os.open(folder, os.O_RDONLY)
                held.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"another run is writing to --out {folder}; choose another --out, or wait for it"
                ) from None
            except OSError:
                pass  # no locks here, see Notes
        _refuse_existing(folder, overwrite=overwrite)  # a run may have ended before the lock
        yield


def _refuse_existing(folder: Path, *, overwrite: bool) -> None:
    for target in (folder / name for name in (*FILES, OFFICIAL_SPLIT)):
        if os.path.lexists(target) and not overwrite:  # Path.exists may raise PermissionError
            raise UsageError(f"{target} exists; choose another --out, or pass --overwrite")


def _not_writable(folder: Path, reason: str | None) -> UsageError:
    return UsageError(f"--out {folder} cannot be written ({reason}); choose another folder")


def write(report: Report, folder: Path, *, overwrite: bool = True) -> Path:
    """Write report.json to a folder and return its path; an older one is replaced as a whole.

    Of an older run, everything that would belong to another report is removed first.

    Raises
    ------
    UsageError
        If the file cannot be written, or exists and `overwrite` is False.

    """
    target = folder / FILE_NAME
    if not overwrite and os.path.lexists(target):
        raise UsageError(
            f"another run has written {target} in the meantime; rerun with another --out, "
            "which takes the fits from the cache"
        )
    text = json.dumps(report.document(), indent=2) + "\n"
    try:
        _remove_older(folder)
        with atomic_write(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written: {error.strerror}; the features are kept"
        ) from error
    return target


def _remove_older(folder: Path) -> None:
    """Remove what an older run has left; probabilities.h5 is replaced before the report is written."""
    second = folder / OFFICIAL_SPLIT
    for stale in (*(folder / name for name in _REPLACED), *(second / name for name in FILES)):
        if stale.is_file() or stale.is_symlink():  # a folder of this name is no run's
            stale.unlink(missing_ok=True)
    with suppress(OSError):  # there is none, or it holds files of the user
        second.rmdir()
