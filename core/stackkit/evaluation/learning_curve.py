"""How accuracy grows with the number of training images per class, from stored features alone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stackkit.api.errors import EvaluationError, PluginError
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.training_subsets import nested_subsets, sizes
from stackkit.statistics.forecast import MIN_POINTS, forecast
from stackkit.statistics.intervals import Interval, images_of_width
from stackkit.utils.figures import ends, in_percent, in_points, percent

TASK = "learning curve"
"""Name of the progress bar of a point, with the number of images."""

LITTLE = 0.005
"""A smaller gain from twice as many images is called little: half a percentage point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Accuracy of a row of the table after training on part of the images.

    Parameters
    ----------
    images_per_class : float
        Training images per class; the mean over classes and folds.
    accuracy : float
        On the same test images for all points.
    interval_95 : tuple of (float, float)
        As in the table.

    """

    images_per_class: float
    accuracy: float
    interval_95: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The learning curve of one row of the table.

    Parameters
    ----------
    name : str
        `Result.name` of the row.
    backbones : tuple of str
        As in `Result`.
    points : tuple of CurvePoint
        Ascending.
    forecast : CurvePoint or None
        What twice as many images would bring, if the curve lets it be said.

    """

    name: str
    backbones: tuple[str, ...]
    points: tuple[CurvePoint, ...]
    forecast: CurvePoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """The curves of a run, and a sentence on what more images would bring."""

    curves: tuple[Curve, ...]
    sentence: str


def learning_curve(comparison: Comparison, results: Sequence[Result]) -> LearningCurve:
    """Repeat an evaluation with parts of the training rows of each fold, on the same test rows.

    Parameters
    ----------
    comparison : Comparison
        The evaluation, which has been run.
    results : sequence of Result
        Its results: the last points of the curves.

    Returns
    -------
    LearningCurve
        A curve for each learner on each backbone, and for the first aggregator. Points at which a
        classifier cannot be fitted, such as one image of each class, are left out.

    """
    plan = comparison.fit_plan
    part, numbers = _curve_plan(plan)
    labels = [plan.labels[fold.train] for fold in comparison.folds]
    asked = max((sizes(each) for each in labels), key=len)
    subsets = [
        nested_subsets(
            plan.labels[fold.train],
            asked,
            seed=(plan.seed, number),
            groups=None if plan.groups is None else plan.groups[fold.train],
        )
        for number, fold in enumerate(comparison.folds)
    ]
    points: list[tuple[float, Sequence[Result]]] = []
    left_out: dict[int, str] = {}
    for place, size in enumerate(asked):
        folds = [
            Fold(train=fold.train[rows[place]], test=fold.test)
            for fold, rows in zip(comparison.folds, subsets, strict=True)
        ]
        try:
            points.append((_per_class(plan, folds), _measured(comparison, part, folds, size)))
        except (EvaluationError, PluginError) as error:
            left_out[size] = str(error)
    whole = [results[number] for number in numbers]
    points.append((_per_class(plan, comparison.folds), whole))
    n_test = None if plan.groups is not None else len(np.unique(comparison.tested))
    curves = tuple(_curve(points, row, n_test) for row in range(len(numbers)))
    return LearningCurve(curves=curves, sentence=_sentence(_headline(curves, whole), plan, left_out))


def _curve_plan(plan: FitPlan) -> tuple[FitPlan, list[int]]:
    """Return a plan of the rows that get a curve, and their numbers among all rows."""
    first = plan.classifiers.aggregators[:1]
    alone = replace(plan.classifiers, baselines=(), aggregators=first)
    texts = {each.component.text for each in first}
    numbers = [
        number
        for number, row in enumerate(plan.rows)
        if row.kind == "learner" or (row.kind == "aggregator" and row.classifier.text in texts)
    ]
    return replace(plan, classifiers=alone, chosen="", keep=False), numbers


def _measured(
    comparison: Comparison, plan: FitPlan, folds: Sequence[Fold], size: int
) -> Sequence[Result]:
    scheduler = replace(comparison.scheduler, task=f"{TASK}, {size} of each class")
    part = Comparison(fit_plan=plan, folds=folds, scheduler=scheduler, repeats=comparison.repeats)
    with warnings.catch_warnings():
        # Learners warn about few images of a class, which is what a curve is about.
        warnings.simplefilter("ignore")
        return part.run()


def _per_class(plan: FitPlan, folds: Sequence[Fold]) -> float:
    """Return the mean number of training images of a class, over classes and folds."""
    trained = [plan.labels[fold.train] for fold in folds]
    return float(np.mean([len(labels) / len(np.unique(labels)) for labels in trained]))


def _curve(points: Sequence[tuple[float, Sequence[Result]]], row: int, n_test: int | None) -> Curve:
    """Return the curve of a row; without `n_test`, its last interval says what the test images tell."""
    found = tuple(
        CurvePoint(
            images_per_class=images,
            accuracy=results[row].accuracy,
            interval_95=results[row].interval_95,
        )
        for images, results in points
    )
    last = points[-1][1][row]
    low, high = last.interval_95
    expected = forecast(
        np.array([point.images_per_class for point in found]),
        np.array([point.accuracy for point in found]),
        n_test or images_of_width(last.accuracy, high - low),
    )
    extended = None
    if expected:
        extended = CurvePoint(
            images_per_class=expected.images_per_class,
            accuracy=expected.accuracy,
            interval_95=expected.interval_95,
        )
    return Curve(name=last.name, backbones=last.backbones, points=found, forecast=extended)


def _headline(curves: Sequence[Curve], results: Sequence[Result]) -> Curve:
    """Return the curve of the first aggregator, or of the best row without one."""
    stacks = [number for number, result in enumerate(results) if result.kind == "aggregator"]
    best = max(range(len(results)), key=lambda number: results[number].accuracy)
    return curves[stacks[0] if stacks else best]


def _sentence(curve: Curve, plan: FitPlan, left_out: Mapping[int, str]) -> str:
    """Say what twice as many images would bring."""
    if not all(features.trained for features in plan.features):
        return "Networks have random weights, so the learning curve means nothing."
    last, expected = curve.points[-1], curve.forecast
    missing = _missing(left_out)
    if expected is None:
        return f"What more training images would bring cannot be said: {_why_not(curve)}.{missing}"
    gain = expected.accuracy - last.accuracy
    low, high = expected.interval_95
    if low > last.accuracy:
        judged = "more images like these can be expected to help"
    elif gain < LITTLE:
        judged = "more images like these would add little"
    else:
        judged = "it is not certain that more images like these would help"
    return (
        f"With twice as many training images ({_number(expected.images_per_class)} instead of "
        f"{_number(last.images_per_class)} of each class), {percent(expected.accuracy)} can be "
        f"expected of {curve.name} ({ends((low, high))}), {in_points(gain)} points: "
        f"{judged}. This extends its learning curve beyond what was measured.{missing}"
    )


def _missing(left_out: Mapping[int, str]) -> str:
    if not left_out:
        return ""
    numbers, (reason, *_) = " or ".join(map(str, left_out)), left_out.values()
    return f" It could not be measured with {numbers} of each class: {reason.rstrip('.')}."


def _why_not(curve: Curve) -> str:
    last = curve.points[-1]
    if len(curve.points) < MIN_POINTS:
        return (
            f"the learning curve of {curve.name} has {len(curve.points)} point(s) up to "
            f"{_number(last.images_per_class)} images of each class, and a forecast needs {MIN_POINTS}"
        )
    half = min(curve.points[:-1], key=lambda one: abs(one.images_per_class - last.images_per_class / 2))
    return (
        f"the learning curve of {curve.name} is too irregular for a forecast. From "
        f"{_number(half.images_per_class)} to {_number(last.images_per_class)} images of each class, "
        f"its accuracy went from {in_percent(half.accuracy)} to {percent(last.accuracy)}"
    )


def _number(images: float) -> str:
    return f"{images:,.0f}" if images >= 10 else f"{images:.2g}"
