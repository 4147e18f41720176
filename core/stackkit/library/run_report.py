"""What `stackkit.run` and `stackkit.train` return; a report shows itself as a page in notebooks."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stackkit.api.paths import user_path
from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.metrics import Result, best_single
from stackkit.experiment.recording import record_of
from stackkit.experiment.run import Finished
from stackkit.library.frames import data_frame
from stackkit.library.loaded_model import LoadedModel
from stackkit.report import table as text_table
from stackkit.report.report import Report


@dataclass(frozen=True, eq=False)
class RunReport:
    """What a run found out: an accuracy for each classifier, and what to know about it.

    `print(report)` shows the table of the command line.

    Attributes
    ----------
    model : LoadedModel or None
        The model that `run(save=...)` has saved.

    """

    _found: Finished
    model: LoadedModel | None = None

    @property
    def _report(self) -> Report:
        return self._found.report

    @property
    def results(self) -> tuple[Result, ...]:
        """The rows of the table, each with `name`, `backbones`, `accuracy`, `interval_95` and more."""
        return self._report.results

    @property
    def official_split(self) -> RunReport | None:
        """With ``split="both"``, the report on the official split, not comparable with this one."""
        return RunReport(self._found.official) if self._found.official else None

    @property
    def best_single(self) -> Result:
        """The most accurate classifier on the features of one network."""
        return best_single(self._report.results)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._report.classes

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the figures."""
        return self._report.notes

    def document(self) -> dict[str, Any]:
        """Return the content of report.json; with ``split="both"``, `official_split` is in it."""
        return self._found.document()

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with a row per classifier; columns as in report.json.

        Raises
        ------
        StackkitError
            If pandas is not installed.

        """
        return data_frame(self.document()["results"])

    def __str__(self) -> str:
        from rich.console import Console

        written = io.StringIO()
        # In a notebook, Rich would show the table instead of writing it, or write it with colours.
        console = Console(file=written, width=120, force_jupyter=False, force_terminal=False)
        text_table.show_all(self._found.reports, console)
        return written.getvalue().strip()

    def __repr__(self) -> str:
        return f"<RunReport of {len(self.results)} classifiers on {self._report.dataset}>"

    def html(self) -> str:
        """Return the report as one HTML page, as `stackkit run --out` writes it.

        The first call reads images and places them on a map, which takes some seconds.
        """
        return self._page

    @cached_property
    def _page(self) -> str:
        # Only now: matplotlib takes a second to import.
        from stackkit.experiment.page import Source, with_evidence
        from stackkit.html_report import page

        return page(with_evidence(record_of(self._found), Source.of(self._found), SilentReporter()))

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the page of `html` to a file, which is replaced if it exists, and return its path.

        Raises
        ------
        UsageError
            If the file cannot be written.

        """
        from stackkit.experiment.page import write_page

        return write_page(self._page, user_path(path))

    def _repr_html_(self) -> str:
        from stackkit.html_report import frame

        return frame(self._page)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model and the report that says how good it is; ``report, model = trained`` works too.

    Attributes
    ----------
    report : RunReport
        The evaluation.
    model : LoadedModel
        Labels images.
    path : Path or None
        The file that it was saved to.

    """

    report: RunReport
    model: LoadedModel
    path: Path | None = None

    def __iter__(self) -> Any:
        return iter((self.report, self.model))

    def _repr_html_(self) -> str:
        return self.model._repr_html_() + self.report._repr_html_()
