"""`stackkit.audit_dataset`: what `stackkit audit` does, with a result in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Unpack

from stackkit.api.paths import fits_dir, user_path
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.audit.findings import Finding, HardPair
from stackkit.audit.report import COLUMNS
from stackkit.experiment import audit_files
from stackkit.experiment.audit import Audited, audit
from stackkit.library.arguments import AuditOptions, recipe_of, store_of
from stackkit.library.components import dataset_text, installed
from stackkit.library.frames import data_frame
from stackkit.library.html import listed, table

_SHOWN = 10


@dataclass(frozen=True, eq=False)
class DatasetAudit:
    """Labels and images that deserve a second look; see `audit_dataset`."""

    _audited: Audited

    @property
    def findings(self) -> Sequence[Finding]:
        """All suspicions, by kind and then by score, the most suspicious first."""
        return self._audited.report.audit.findings

    @property
    def hard_pairs(self) -> Sequence[HardPair]:
        """Pairs of classes that are hardly separable, the hardest first."""
        return self._audited.report.audit.hard_pairs

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of suspicions of each kind that was looked for."""
        return {str(kind): count for kind, count in self._audited.report.audit.counts.items()}

    @property
    def skipped(self) -> Mapping[str, str]:
        """Kinds that were not looked for, and why."""
        return self._audited.report.audit.skipped

    def document(self) -> dict[str, Any]:
        """Return the content of audit.json."""
        return self._audited.report.document()

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with a row per finding; columns as in audit.csv.

        Raises
        ------
        StackkitError
            If pandas is not installed.

        """
        return data_frame(self._audited.report.rows(), columns=list(COLUMNS))

    def write(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write audit.csv, audit.json and audit.html to a folder.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        UsageError
            If a file exists and `overwrite` is False, or cannot be written.

        """
        path = user_path(folder)
        audit_files.prepare(path, overwrite=overwrite)
        return list(audit_files.write(self._audited, path))[-1]

    def __str__(self) -> str:
        report = self._audited.report
        return "\n".join(report.summary(kind) for kind in report.audit.counts)

    def __repr__(self) -> str:
        report = self._audited.report
        return f"<DatasetAudit of {report.dataset}: {sum(report.audit.counts.values()):,} findings>"

    def _repr_html_(self) -> str:
        report = self._audited.report
        shown = [
            table(
                ["image", "label", "looks like", "resembles", "why"],
                [
                    [each.id, each.label, each.suggested, each.other, each.reason]
                    for each in report.audit.of_kind(kind)[:_SHOWN]
                ],
                report.summary(kind),
            )
            for kind, count in report.audit.counts.items()
            if count
        ]
        return "".join(shown) + listed([*report.notes(), *report.audit.skipped.values()])


def audit_dataset(
    dataset: str | os.PathLike[str],
    *,
    reporter: Reporter | None = None,
    **options: Unpack[AuditOptions],
) -> DatasetAudit:
    """Look for labels and images that deserve a second look; nothing is changed.

    Parameters
    ----------
    dataset : str or os.PathLike
        Name and options of a dataset, such as "mnist:limit=50", or a folder with a subfolder per class.
    reporter : Reporter, optional
        Receives progress; by default nothing is shown.
    **options
        As for `run`: recipe, backbones, learner, cv, jobs, executor, seed, strict, store, feature_dtype,
        device, threads. Folds are always shuffled, and aggregators are not needed.

    Returns
    -------
    DatasetAudit
        `findings`, `hard_pairs`, `counts` and `skipped`.

    Raises
    ------
    UsageError
        If an argument or the name of a component is invalid.
    StackkitError
        As the command ends with.

    """
    registry = installed()
    recipe = recipe_of(
        dataset_text(dataset, registry),
        options,
        signature(audit_dataset).parameters,
        AuditOptions.__annotations__,
    )
    shown = reporter or SilentReporter()
    return DatasetAudit(audit(recipe, registry, store_of(options), shown, fits=fits_dir()))
