"""Records of runs with everything that a report can show, made up without images, networks or fits."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from support.made_up_runs import UNSHARED

from stackkit.audit.findings import KINDS, Audit, Finding, HardPair
from stackkit.evaluation.learning_curve import Curve, CurvePoint, LearningCurve
from stackkit.evaluation.metrics import Result, score, with_gain_intervals
from stackkit.evaluation.outcomes import Certainty, Outcomes, RowOutcome
from stackkit.evaluation.protocol import Protocol
from stackkit.evidence.confusions import confused_pairs, confusion, examples
from stackkit.evidence.evidence import Evidence, FeatureMap
from stackkit.report.record import Record
from stackkit.report.report import Cost, ExecutorUsed, FoldSize, RecipeUsed, Report
from stackkit.verdicts.judging import make_verdicts

SCRIPT = "<script>alert(1)</script>"

HOSTILE = (
    SCRIPT,
    "</script><img src=x onerror=alert(2)>",
    "\"quoted\" & 'single'",
    "line\u2028separator",
    "left\u202eright",
    "bytes \udcff that are no text",
    "{{ 7 * 7 }}",
    "Ωμέγα 鳥",
)
"""Names that must stay text."""

NETWORKS = ("lite0", "lite1")

ROWS: dict[tuple[str, Any, Sequence[str]], float] = {
    ("linear-svm", "baseline", NETWORKS[:1]): 0.80,
    ("logistic", "learner", NETWORKS[:1]): 0.82,
    ("logistic", "learner", NETWORKS[1:]): 0.84,
    ("average-svm", "aggregator", NETWORKS): 0.88,
    ("stacked-logistic", "aggregator", NETWORKS): 0.87,
    ("largest class", "reference", ()): 0.0,
}
"""Accuracy of each row."""

FOLDS = 3


def everything(
    n_classes: int = 10,
    images: int = 300,
    *,
    mapped: int = 300,
    untrained: bool = False,
    verdicts: bool = True,
) -> Record:
    """Return the record of a run that has all parts; the first classes have hostile names."""
    names = [*HOSTILE, *(f"class {number:03}" for number in range(len(HOSTILE), n_classes))][:n_classes]
    outcomes = _outcomes(names, images)
    results = _results(outcomes, untrained)
    report = _report(outcomes, results, verdicts)
    record = Record(document=report.document(), outcomes=outcomes)
    return replace(record, evidence=_evidence(outcomes, mapped))


def _outcomes(names: Sequence[str], images: int) -> Outcomes:
    random = np.random.default_rng(0)
    labels = np.arange(images) % len(names)
    rows = []
    for rate in ROWS.values():
        right = random.random(images) < rate
        # A class is taken for the next one, or rarely for any other.
        other = (labels + np.where(random.random(images) < 0.8, 1, 2)) % len(names)
        sure = random.uniform(0.4, 1, images).astype(np.float32)
        certainty = Certainty(of_true=np.where(right, sure, 1 - sure), of_predicted=sure)
        predicted = np.where(right, labels, other).astype(np.int32)
        rows.append(
            RowOutcome(predicted=predicted, rank=None, raw=certainty, calibrated=certainty)
            if rate
            else RowOutcome(predicted=np.zeros(images, dtype=np.int32))
        )
    return Outcomes(
        ids=[f"{names[label]}/{number:05}.jpg" for number, label in enumerate(labels)],
        fingerprints=[f"sha256:{number}" for number in range(images)],
        labels=labels,
        groups=None,
        classes=names,
        image=np.arange(images),
        fold=np.arange(images) // len(names) % FOLDS,
        repeat=np.zeros(images, dtype=np.int64),
        rows=rows,
    )


def _results(outcomes: Outcomes, untrained: bool) -> list[Result]:
    found = []
    for (name, kind, networks), row in zip(ROWS, outcomes.rows, strict=True):
        parts = [outcomes.fold == fold for fold in range(FOLDS)]
        fit_on: Any = {"average-svm": "in-sample", "stacked-logistic": "out-of-fold"}.get(name)
        figures = score(
            name,
            kind,
            networks,
            [(row.predicted[part].astype(np.int64), outcomes.true[part]) for part in parts],
            untrained=untrained and bool(networks),
            converged=True,
            fit_on=fit_on,
            learners=("logistic",) if kind == "aggregator" else (),
        )
        scores = {"log_loss": 0.5, "ece": 0.06, "calibrated_ece": 0.02} if row.raw else {}
        found.append(replace(figures, macro_f1=0.8, top_5=0.99 if row.raw else None, **scores))
    return found


def _report(outcomes: Outcomes, rows: list[Result], verdicts: bool) -> Report:
    results = [each for each in rows if each.kind != "reference"]
    references = [each for each in rows if each.kind == "reference"]
    hits = [row.predicted == outcomes.true for row in outcomes.rows[: len(results)]]
    results = with_gain_intervals(results, hits)
    protocol = Protocol(kind="cross-validation", folds=FOLDS, shuffle=True, seed=0)
    point = CurvePoint(images_per_class=5, accuracy=0.7, interval_95=(0.6, 0.8))
    return Report(
        stackkit="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        dataset=f"image-folder:root=/data/{SCRIPT}",
        protocol=protocol,
        classes=tuple(outcomes.classes),
        n_images=len(outcomes.ids),
        class_sizes=tuple(np.bincount(outcomes.labels).tolist()),
        folds=(FoldSize(train=200, test=100),) * FOLDS,
        groups=None,
        duplicates=UNSHARED.duplicates,
        failed_images=({"id": f"{SCRIPT}/a.jpg", "reason": "the file is empty"},),  # type: ignore[arg-type]
        suspect_images=({"id": outcomes.ids[0], "reason": "12 bytes are missing"},),  # type: ignore[arg-type]
        results=tuple(results),
        references=tuple(references),
        costs=(Cost(network_s=12.5, fit_s=0.25),) * len(rows),
        components=(
            {
                "kind": "dataset",
                "name": "image-folder/image-folder",
                "label": f"image-folder:root=/data/{SCRIPT}",
                "options": {"root": "/data/birds"},
                "distribution": "stackkit",
                "version": "0.1.0",
            },
        ),
        extraction={"lite0": {"computed": 1, "reused": 2}},
        versions={"python": "3.11", "numpy": "2.0"},
        timings={"extraction_s": 75.0, "evaluation_s": 3.5, "total_s": 4000.0},
        notes=(f"A note about {SCRIPT} and 95 % of it.",),
        recipe=RecipeUsed(
            name="published",
            changes={"backbones": ["lite*"]},
            command=f"stackkit run --dataset 'image-folder:root=/data/{SCRIPT}'",
        ),
        executor=ExecutorUsed(name="dask", distribution="stackkit", version="0.1.0", workers=3),
        verdicts=make_verdicts(results, references, outcomes, protocol) if verdicts else None,
        learning_curve=LearningCurve(
            curves=(Curve(name="average-svm", backbones=NETWORKS, points=(point,), forecast=point),),
            sentence="With twice as many images, 91.5 % can be expected.",
        ),
    )


def _evidence(outcomes: Outcomes, mapped: int) -> Evidence:
    random = np.random.default_rng(1)
    ids = outcomes.ids
    image = np.sort(random.choice(len(ids), min(mapped, len(ids)), replace=False))
    findings = [
        Finding(
            kind=kind,
            id=ids[number],
            label=outcomes.classes[outcomes.labels[number]],
            score=1 - number / 100,
            suggested=outcomes.classes[1] if kind == "label" else "",
            other=ids[number + 1] if kind == "near-duplicate" else "",
            reason=f"reason of {kind}",
        )
        for kind in KINDS
        if kind != "dark"
        for number in range(14)
    ]
    pairs = confused_pairs(confusion(outcomes, 3))
    sides = [side for each in pairs for side in ((each.first, each.second), (each.second, each.first))]
    shown = [ids[place] for label, other in sides for place in examples(outcomes, 3, label, other)]
    names = dict.fromkeys([*ids[:16], *shown])
    return Evidence(
        thumbnails={name: jpeg(number, 96) for number, name in enumerate(names)},
        small={ids[number]: jpeg(number, 40) for number in image.tolist()},
        feature_map=FeatureMap(
            image=image,
            points=random.normal(size=(len(image), 2)).astype(np.float32),
            method="t-SNE of lite0",
        ),
        audit=Audit(
            n_images=len(ids),
            findings=findings,
            hard_pairs=[
                HardPair(first=outcomes.classes[0], second=outcomes.classes[1], images=9, share=0.2)
            ],
            skipped={"dark": "The images cannot be read; give their folder."},
        ),
        missing=["One image cannot be shown."],
    )


def jpeg(seed: int, side: int) -> bytes:
    """Return a picture with as much detail as a photograph of this size."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (side // 6, side // 6, 3), dtype=np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    image.save(stream, "JPEG", quality=75)
    return stream.getvalue()
