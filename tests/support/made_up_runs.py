"""Runs whose rows have known accuracies, made up without images, networks or fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from stackkit.evaluation.metrics import Result, score
from stackkit.evaluation.outcomes import Outcomes, RowOutcome
from stackkit.evaluation.overlaps import ConflictingLabels, Duplicates, Overlap, SharedImages
from stackkit.evaluation.protocol import Protocol
from stackkit.report.record import Record
from stackkit.report.report import FoldSize, Report
from stackkit.verdicts.judging import make_verdicts

NO_OVERLAP = Overlap(sets=0, test_images=0, examples=())

UNSHARED = SharedImages(
    groups=None,
    duplicates=Duplicates(
        contents=0,
        images=0,
        in_train_and_test=NO_OVERLAP,
        under_several_labels=ConflictingLabels(contents=0, images=0, examples=()),
    ),
)

SINGLES = {"linear-svm on lite0": 0.80, "logistic on lite0": 0.84, "logistic on lite2": 0.85}

ROWS = {**SINGLES, "average-svm": 0.92, "soft-vote": 0.915, "largest class": 0.1}
"""Accuracies by title, in the order of the table."""


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """A run: what `make_verdicts` takes."""

    results: Sequence[Result]
    references: Sequence[Result]
    outcomes: Outcomes
    protocol: Protocol

    def verdicts(self, **more: Any) -> Any:
        return make_verdicts(self.results, self.references, self.outcomes, self.protocol, **more)

    @cached_property
    def judged(self) -> Any:
        return self.verdicts()

    def record(self, *, judged: bool = True, **changes: Any) -> Record:
        """Return the run as if it had been read from its folder."""
        outcomes, folds = self.outcomes, self.protocol.folds * self.protocol.repeats
        sizes = np.bincount(outcomes.labels[outcomes.tested], minlength=len(outcomes.classes))
        report = Report(
            stackkit="0.1.0",
            created="2026-01-02T03:04:05+00:00",
            dataset="image-folder:root=/data/birds",
            protocol=self.protocol,
            classes=tuple(outcomes.classes),
            n_images=len(outcomes.ids),
            class_sizes=tuple(sizes.tolist()),
            folds=(FoldSize(train=2, test=1),) * folds,
            groups=None,
            duplicates=UNSHARED.duplicates,
            failed_images=(),
            results=tuple(self.results),
            references=tuple(self.references),
            components=(),
            extraction={},
            versions={},
            timings={},
            notes=(),
            verdicts=self.judged if judged else None,
        )
        document = report.document()
        return Record(document=document | changes, outcomes=self.outcomes)


def made_up(
    rows: Mapping[str, float] = ROWS,
    *,
    n: int = 600,
    folds: int = 3,
    repeats: int = 1,
    group_size: int = 1,
    kind: Any = "cross-validation",
    seed: int = 0,
    untrained: bool = False,
) -> MadeUp:
    """Return a run on n images of 10 classes; image i of the dataset is hard for all rows alike."""
    random = np.random.default_rng(seed)
    classes = [f"class_{label}" for label in range(10)]
    labels = np.arange(n) % 10
    image = np.tile(np.arange(n), repeats)
    repeat = np.repeat(np.arange(repeats), n)
    fold = np.concatenate([random.permutation(np.arange(n) % folds) for _ in range(repeats)])
    hard = np.random.default_rng(7).normal(size=n // group_size + 1)[np.arange(n) // group_size]
    outcomes = Outcomes(
        ids=[f"{classes[label]}/{at:04}.jpg" for at, label in enumerate(labels)],
        fingerprints=[f"sha256:{at}" for at in range(n)],
        labels=labels,
        groups=None if group_size == 1 else np.arange(n) // group_size,
        classes=classes,
        image=image,
        fold=fold,
        repeat=repeat,
        rows=[_row(labels[image], hard[image], rate, random) for rate in rows.values()],
    )
    found = [
        _result(name, row, outcomes, folds, repeats, untrained)
        for name, row in zip(rows, outcomes.rows, strict=True)
    ]
    return MadeUp(
        results=[each for each in found if each.kind != "reference"],
        references=[each for each in found if each.kind == "reference"],
        outcomes=outcomes,
        protocol=Protocol(kind=kind, folds=folds, repeats=repeats, shuffle=True, seed=0),
    )


def _row(true: Any, hard: Any, rate: float, random: np.random.Generator) -> RowOutcome:
    level = hard + 0.5 * random.normal(size=len(hard))
    right = level <= np.quantile(level, rate)
    return RowOutcome(predicted=np.where(right, true, (true + 1) % 10).astype(np.int32))


def _result(
    title: str, row: RowOutcome, outcomes: Outcomes, folds: int, repeats: int, untrained: bool
) -> Result:
    name, _, backbone = title.partition(" on ")
    kind: Any = "aggregator"
    if backbone:
        kind = "baseline" if name == "linear-svm" else "learner"
    elif name in {"largest class", "plain mean"}:
        kind = "reference"
    parts = [
        (outcomes.repeat == repeat) & (outcomes.fold == fold)
        for repeat in range(repeats)
        for fold in range(folds)
    ]
    found = score(
        name,
        kind,
        [backbone] if backbone else ["lite0", "lite2"],
        [(row.predicted[part].astype(np.int64), outcomes.true[part]) for part in parts],
        untrained=untrained,
        converged=True,
        fit_on="in-sample" if name == "average-svm" else None,
        images=np.concatenate([outcomes.image[part] for part in parts]),
    )
    return replace(found, gain_interval_95=None if title == "logistic on lite2" else (-0.1, 0.1))
