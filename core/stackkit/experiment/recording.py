"""Write the files of a finished run, so that its report can be made now, later, or elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stackkit.api.errors import StackkitError, UsageError
from stackkit.experiment.run import Finished
from stackkit.report import report as report_file
from stackkit.report.record import Record
from stackkit.report.record_files import write_outcomes
from stackkit.report.report import OFFICIAL_SPLIT, OUTCOMES, PREDICTIONS
from stackkit.report.runs import new_run_folder


def record_of(found: Finished, folder: Path | None = None) -> Record:
    """Return the record of a run from memory; `folder` is where it is written."""
    second = folder / OFFICIAL_SPLIT if folder else None
    other = record_of(found.official, second) if found.official else None
    return Record(
        document=found.report.document(),
        outcomes=found.evaluation.outcomes,
        folder=folder,
        other=other,
    )


def write_files(found: Finished, folder: Path, *, overwrite: bool, tell: Callable[[str], None]) -> Path:
    """Write report.json, predictions.csv and outcomes.npz to a folder that is reserved.

    Parameters
    ----------
    found : Finished
        The run.
    folder : Path
        The folder.
    overwrite : bool
        Whether to replace a report; all other files of an older run are removed with it.
    tell : callable
        Called with a line about each file besides report.json that cannot be written.

    Returns
    -------
    Path
        Of report.json.

    Raises
    ------
    UsageError
        If report.json cannot be written.

    """
    path = report_file.write(found.report, folder, overwrite=overwrite)
    with _costs_only(PREDICTIONS, "the report is", tell):
        found.evaluation.predictions.write(folder)
    with _costs_only(OUTCOMES, "`stackkit report` cannot make a page of this run", tell):
        write_outcomes(found.evaluation.outcomes, folder)
    if found.official:
        with _costs_only(OFFICIAL_SPLIT, "the report of the first protocol is", tell):
            write_files(found.official, _second_folder(folder), overwrite=True, tell=tell)
    return path


def _second_folder(folder: Path) -> Path:
    second = folder / OFFICIAL_SPLIT
    second.mkdir(exist_ok=True)
    return second


def keep(found: Finished, tell: Callable[[str], None]) -> Path | None:
    """Keep the record of a run without --out in STACKKIT_HOME/runs.

    Returns
    -------
    Path or None
        Its folder; None if it cannot be written, which `tell` is called with.

    """
    folder: Path | None = None
    try:
        folder = new_run_folder(found.report.dataset, datetime.now(UTC))
        _keep_in(folder, found)
        if found.official:
            _keep_in(_second_folder(folder), found.official)
    except (OSError, UsageError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        tell(f"warning: no record of this run is kept ({reason}); --out DIR writes it elsewhere")
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        return None
    return folder


def _keep_in(folder: Path, found: Finished) -> None:
    report_file.write(found.report, folder)
    write_outcomes(found.evaluation.outcomes, folder)


@contextmanager
def _costs_only(name: str, otherwise: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Go on after an error of the disk: one file must not cost the others, or the result."""
    try:
        yield
    except (OSError, StackkitError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        tell(f"warning: {name} cannot be written ({reason}); {otherwise}")
