"""Print a report as a table with its notes below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from stackkit.evaluation.learning_curve import LearningCurve
from stackkit.evaluation.metrics import Result, best_single
from stackkit.evaluation.references import LARGEST_CLASS
from stackkit.evaluation.table_row import sources
from stackkit.report.paper_table import low_high
from stackkit.report.report import FILE_NAME, Report
from stackkit.report.rows import sections
from stackkit.utils.figures import bracketed, in_percent, in_points
from stackkit.utils.tables import Column, print_literal, print_table, unwrapped

MAX_FOLDS = 5
"""Number of folds up to which each fold has a column; the accuracies of more folds follow as lines."""

MAX_FAILURES = 20
"""Number of unreadable images, and of damaged ones, that are listed."""


NOT_COMPARABLE = "Below, the official split: its figures are not comparable with those above."
"""Line between the tables of two protocols."""


def show_all(reports: Sequence[Report], console: Console) -> None:
    """Print the reports of one run, of which the second is that of the official split."""
    for number, report in enumerate(reports):
        if number:
            print_literal(console, "")
            print_literal(console, NOT_COMPARABLE)
        show(report, console)


def show(report: Report, console: Console) -> None:
    """Print one row per classifier, then the notes and the unreadable and damaged images."""
    console = unwrapped(console)
    classes = f"{report.n_images:,} images, {len(report.classes)} classes"
    title = f"{report.dataset}: {classes}; {report.protocol.title}; accuracy in percent{_chance(report)}"
    print_literal(console, "")
    print_literal(console, title)
    _show_results(report, console)
    if len(report.folds) > MAX_FOLDS:
        for result in report.results:
            accuracies = " ".join(map(in_percent, result.fold_accuracy))
            print_literal(
                console,
                f"{report.protocol.part}s of {result.name} on {_backbones(result)}: {accuracies}",
            )
    for note in report.notes:
        print_literal(console, f"- {note}")
    if report.learning_curve:
        _show_learning_curve(report.learning_curve, console)
    for what, images in (("failed", report.failed_images), ("suspect", report.suspect_images)):
        for image in images[:MAX_FAILURES]:
            print_literal(console, f"{what}: {image.id}: {image.reason}")
        if (more := len(images) - MAX_FAILURES) > 0:
            print_literal(console, f"... and {more} more; {FILE_NAME} (--out) lists all")


def _chance(report: Report) -> str:
    """Return what the title says of the accuracy that needs no image."""
    found = [each for each in report.references if each.name == LARGEST_CLASS]
    return "".join(f", chance {in_percent(each.accuracy)} (always the largest class)" for each in found)


def _show_learning_curve(found: LearningCurve, console: Console) -> None:
    for curve in found.curves:
        title = f"{curve.name} on {sources(curve.backbones, 1)}"
        points = ", ".join(
            f"{_images(p.images_per_class)}: {in_percent(p.accuracy)}" for p in curve.points
        )
        print_literal(console, f"accuracy of {title} by training images of each class: {points}")
    print_literal(console, f"- {found.sentence}")


def _images(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def documents(report: Report) -> list[dict[str, Any]]:
    """Return the results as `report.json` has them, with the ends of intervals by name, for CSV."""
    results: list[dict[str, Any]] = report.document()["results"]
    for result in results:
        for name in [name for name in result if "interval" in name]:
            result[name] = low_high(result[name])
    return results


def _show_results(report: Report, console: Console) -> None:
    results, best = report.results, best_single(report.results)
    n_folds = len(report.folds)
    columns = [
        Column(heading="classifier", cells=[result.name for result in results], is_name=True),
        Column(heading="on", cells=[_backbones(result) for result in results], is_name=True),
    ]
    for fold in range(n_folds if n_folds <= MAX_FOLDS else 0):
        heading = f"{report.protocol.part} {fold + 1}" if n_folds > 1 else "test"
        accuracies = [in_percent(result.fold_accuracy[fold]) for result in results]
        columns.append(Column(heading=heading, cells=accuracies, rank=5))
    columns += _summaries(report, best)
    # By identity: another row may hold equal figures.
    emphasised = next(number for number, result in enumerate(results) if result is best)
    print_table(console, columns, bold=emphasised, sections=sections(results))


def _summaries(report: Report, best: Result) -> list[Column]:
    """Return the columns after the folds."""
    results = report.results
    intervals = [bracketed(result.interval_95) for result in results]
    columns = [
        Column(heading="mean", cells=[in_percent(result.accuracy) for result in results]),
        Column(heading="[95 %]", cells=intervals, rank=1),
    ]
    if len(report.folds) > 1:
        spreads = ["" if result.spread is None else in_percent(result.spread) for result in results]
        columns.append(Column(heading="sd", cells=spreads, rank=4))
    # Equals the share of correct images where all classes have equally many.
    if len({size for size in report.class_sizes if size}) > 1:
        balanced = [in_percent(result.balanced_accuracy) for result in results]
        columns.append(Column(heading="balanced", cells=balanced, rank=3))
    gains = [_gain(result, best) for result in results]
    return [*columns, Column(heading="gain [95 %]", cells=gains, rank=2)]


def _gain(result: Result, best: Result) -> str:
    if not result.gain_interval_95:
        return "best"
    return (
        f"{in_points(result.accuracy - best.accuracy)} {bracketed(result.gain_interval_95, in_points)}"
    )


def _backbones(result: Result) -> str:
    untrained = " (untrained)" if result.untrained and len(result.backbones) > 1 else ""
    return sources(result.backbones, len(result.learners)) + untrained
