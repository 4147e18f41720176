"""Say what each row of the table costs: time in the networks, and time of fitting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stackkit.experiment.evaluation import Evaluation
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.feature_set import sets_of
from stackkit.extraction.network_seconds import network_seconds
from stackkit.extraction.summary import ExtractionSummary
from stackkit.report.report import Cost
from stackkit.store import DatasetRows, FeatureStore


def costs_of(
    evaluation: Evaluation,
    backbones: Sequence[CheckedBackbone],
    rows: DatasetRows,
    summary: ExtractionSummary,
    store: FeatureStore,
) -> tuple[Cost, ...]:
    """Return the cost of each row of the table, then of each reference.

    Parameters
    ----------
    evaluation : Evaluation
        What was fitted, and how long it took.
    backbones : sequence of CheckedBackbone
        The backbones of the run.
    rows, summary, store : DatasetRows, ExtractionSummary, FeatureStore
        The images, those that failed, and where features and their times are stored.

    """
    sets = {each.label: {one.key: one for one in sets_of(each)} for each in backbones}
    images = len(rows.samples) - len({failure.id for failure in summary.failed})
    known = {key: one for of_backbone in sets.values() for key, one in of_backbone.items()}
    seconds = dict(zip(known, network_seconds(list(known.values()), images, rows, store), strict=True))
    found = []
    results = (*evaluation.results, *evaluation.references)
    for result, fitting in zip(results, evaluation.fit_seconds, strict=True):
        # Backbones may share a feature set, such as boxes: its time counts once.
        used = dict.fromkeys(key for label in result.backbones for key in sets[label])
        found.append(Cost(network_s=_sum(seconds[key] for key in used), fit_s=_sum([fitting])))
    return tuple(found)


def _sum(seconds: Iterable[float | None]) -> float | None:
    total = 0.0
    for each in seconds:
        if each is None:
            return None
        total += each
    return round(total, 3)
