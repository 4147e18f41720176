"""Make the page of a run: gather what it shows besides figures, and write it as one HTML file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stackkit.api.dataset import Dataset
from stackkit.api.errors import StackkitError, UsageError
from stackkit.api.reporter import Reporter
from stackkit.bundle import ComponentRecord
from stackkit.evaluation.inputs import UsableFeatures, usable_features
from stackkit.evidence.gathering import gather
from stackkit.experiment.recording import record_of
from stackkit.experiment.run import Finished
from stackkit.extraction.backbone import UNTRAINED, make_backbone
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.extract import fingerprints
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.registry import Registry
from stackkit.html_report import page
from stackkit.model.components import find_component
from stackkit.report.record import Record
from stackkit.report.record_files import write_evidence
from stackkit.report.report import PAGE
from stackkit.store import FeatureStore
from stackkit.utils.files import atomic_write, require_writable
from stackkit.utils.interrupts import Interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What evidence is gathered from.

    Parameters
    ----------
    dataset : Dataset or None
        The dataset of the run; None if it cannot be opened any more.
    usable : UsableFeatures or None
        Its features; None if they cannot be read any more.
    missing : sequence of str
        Why something is None, in sentences for the reader of the report.
    folder : Path or None
        Where to remember what was measured on the images: the folder of the store.
    input_size : int
        Side of the images that the networks see, in pixels.

    """

    dataset: Dataset | None
    usable: UsableFeatures | None
    missing: Sequence[str] = ()
    folder: Path | None = None
    input_size: int = 224

    @classmethod
    def of(cls, found: Finished) -> Source:
        """Return the dataset and the features of a run that has just finished."""
        return cls(
            dataset=found.dataset,
            usable=found.evaluation.usable,
            folder=found.store.folder,
            input_size=max(each.image_size for each in found.preview.backbones),
        )


def reopened(record: Record, registry: Registry, store: FeatureStore, reporter: Reporter) -> Source:
    """Open the dataset and the stored features of an earlier run again.

    Nothing is downloaded, and no image goes through a network.
    """
    missing = list[str]()
    dataset, usable, size = None, None, 224
    with _noted(missing, "The images cannot be shown"):
        (component,) = _components(record.document, "dataset", registry)
        dataset = open_dataset(component)
    if dataset is None:
        return Source(dataset=None, usable=None, missing=missing)
    with _noted(missing, _NO_FEATURES):
        rows, _ = fingerprints(component.text, dataset, reporter)
        backbones = [make_backbone(each) for each in _components(record.document, "backbone", registry)]
        size = max(each.image_size for each in backbones)
        usable = usable_features(dataset, rows, backbones, store)
    return Source(dataset=dataset, usable=usable, missing=missing, folder=store.folder, input_size=size)


_NO_FEATURES = (
    "The features cannot be read, so there is no map of them; if the run had --store or "
    "--feature-dtype, `stackkit report` needs them, too"
)


def _components(document: Mapping[str, Any], kind: str, registry: Registry) -> list[ConfiguredComponent]:
    """Return the components of a kind in the table of a report."""
    shown = {
        name.removesuffix(UNTRAINED) for result in document["results"] for name in result["backbones"]
    }
    return [
        find_component(ComponentRecord(**each), registry)
        for each in document["components"]
        if each["kind"] == kind and (kind != "backbone" or each["label"] in shown)
    ]


@contextmanager
def _noted(missing: list[str], consequence: str) -> Iterator[None]:
    try:
        yield
    except (OSError, StackkitError) as error:
        missing.append(f"{consequence}: {str(error).rstrip('.')}.")


def with_evidence(record: Record, source: Source, reporter: Reporter) -> Record:
    """Return the record with its evidence, which is kept in its folder if that can be written.

    Without the images or the features it is not kept: they may be there the next time.
    """
    evidence = gather(
        record.document,
        record.outcomes,
        dataset=source.dataset,
        usable=source.usable,
        reporter=reporter,
        missing=source.missing,
        folder=source.folder,
        input_size=source.input_size,
    )
    if record.folder and not source.missing:
        with suppress(OSError):  # it only saves time: it can be gathered again
            write_evidence(evidence, record.folder)
    return replace(record, evidence=evidence)


def check_page(target: Path) -> None:
    """Check that a page can be written, before images are read for it.

    Raises
    ------
    UsageError
        If it cannot be written.

    """
    with _refused(target):
        require_writable(target)


def write_page(text: str, target: Path) -> Path:
    """Write a page, or a table for a paper, and return its path; an older file is replaced as a whole.

    Raises
    ------
    UsageError
        If it cannot be written.

    """
    with _refused(target), atomic_write(target) as temporary:
        # The path of a dataset may hold bytes that are not UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return target


@contextmanager
def _refused(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written ({error.strerror}); choose another file with "
            "`stackkit report --out FILE`"
        ) from error


def page_of_run(found: Finished, folder: Path, reporter: Reporter) -> Path | None:
    """Make report.html of a run whose other files are in its folder.

    Parameters
    ----------
    found : Finished
        The run.
    folder : Path
        Its folder.
    reporter : Reporter
        Shows progress, and why there is no page.

    Returns
    -------
    Path or None
        The page; None if it cannot be made.

    Raises
    ------
    Interrupted
        After Ctrl-C.

    """
    later = f"`stackkit report {shlex.quote(str(folder))}` makes it"
    try:
        record = with_evidence(record_of(found, folder), Source.of(found), reporter)
        return write_page(page(record), folder / PAGE)
    except KeyboardInterrupt as stop:
        raise Interrupted(f"; everything but {PAGE} is written, and {later}") from stop
    except (StackkitError, OSError, MemoryError) as error:
        reporter.message(f"warning: {PAGE} is not made ({error}); all else is written, and {later}")
        return None
