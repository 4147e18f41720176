"""Draw whether answers are right as often as their probabilities say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stackkit.charts import colours
from stackkit.charts.picture import Picture
from stackkit.charts.rows import rows_of, untrained_note
from stackkit.charts.style import drawing, svg
from stackkit.evaluation.outcomes import Certainty, Outcomes
from stackkit.evaluation.uncertainty import weights_of
from stackkit.report.record import Record
from stackkit.statistics.intervals import wilson
from stackkit.statistics.scores import ReliabilityBin, calibration_error, reliability_bins
from stackkit.utils.figures import percent
from stackkit.verdicts.headline import headline_of

_BEFORE = (colours.ORANGE, "s", "as given")
_AFTER = (colours.BLUE, "o", "calibrated")


def reliability(record: Record) -> Picture | None:
    """Draw the reliability diagram of a row, before and after calibration.

    That of the headline row or, if it gives no probabilities, of the first aggregator or else the first
    row that does; None if there is none.
    """
    outcomes, document = record.outcomes, record.document
    row = _row(document, outcomes)
    if row is None:
        return None
    certainties = (outcomes.rows[row].raw, outcomes.rows[row].calibrated)
    correct = outcomes.rows[row].predicted == outcomes.true
    weights = weights_of(outcomes.image)
    series = [
        (look, reliability_bins(each.of_predicted, correct), _error(each, correct, weights))
        for look, each in zip((_BEFORE, _AFTER), certainties, strict=True)
        if each is not None
    ]
    label = rows_of(document)[row].label
    errors = ", ".join(f"{percent(error)} {look[2]}" for look, _, error in series)
    alt = f"Reliability diagram of {label}; expected calibration error: {errors}."
    repeats = len(outcomes.image) / max(len(outcomes.tested), 1)
    with drawing(5.6, width=6.0) as figure:
        axes, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
        axes.plot([0, 100], [0, 100], color=colours.FAINT, linestyle="--", linewidth=1)
        for look, bins, _ in series:
            _draw(axes, look, bins, repeats)
        for number, (look, bins, _) in enumerate(series):
            _draw_counts(below, look, bins, repeats, number, len(series))
        axes.set(xlim=(0, 100), ylim=(0, 100), ylabel="right answers in percent")
        below.set(xlabel="probability of the answer in percent", ylabel="images")
        axes.legend(loc="upper left", fontsize=8.5)
        markup = svg(figure, "reliability", alt)
    caption = (
        f"Answers of {label}, grouped by the probability that it gives them. On the dashed line, "
        "answers of 80 % are right 80 times in 100; below it, the probabilities promise too much. "
        "Vertical lines are 95 % intervals. The bars below count the images of each group: groups of "
        "few images say little."
    )
    return Picture(
        name="reliability",
        title="Are the probabilities right?",
        markup=markup,
        alt=alt,
        caption=caption + untrained_note(document),
    )


def _row(document: dict[str, Any], outcomes: Outcomes) -> int | None:
    there = [
        number
        for number, each in enumerate(outcomes.rows)
        if each.raw is not None or each.calibrated is not None
    ]
    kinds = [each.kind for each in rows_of(document)]
    headline = headline_of(document)
    there.sort(key=lambda number: (number != headline, kinds[number] != "aggregator"))
    return there[0] if there else None


def _error(certainty: Certainty, correct: Any, weights: Any) -> float:
    return calibration_error(certainty.of_predicted, correct, weights)


def _draw(axes: Any, look: tuple[str, str, str], bins: Sequence[ReliabilityBin], repeats: float) -> None:
    """Draw the accuracy of each bin; images that were predicted in several repeats count once."""
    colour, marker, label = look
    sure = [100 * each.confidence for each in bins]
    right = [100 * each.accuracy for each in bins]
    counts = [max(round(each.count / repeats), 1) for each in bins]
    ends = [wilson(each.accuracy * n, n) for each, n in zip(bins, counts, strict=True)]
    low, high = ([100 * each[side] for each in ends] for side in (0, 1))
    axes.vlines(sure, low, high, color=colour, linewidth=1.2, alpha=0.7)
    axes.plot(
        sure, right, marker=marker, color=colour, linewidth=1.5, markersize=5, label=label, clip_on=False
    )


def _draw_counts(
    axes: Any,
    look: tuple[str, str, str],
    bins: Sequence[ReliabilityBin],
    repeats: float,
    number: int,
    n_series: int,
) -> None:
    width = np.array([100 * (each.high - each.low) for each in bins]) * 0.9 / n_series
    left = np.array([100 * each.low for each in bins]) + number * width
    counts = [each.count / repeats for each in bins]
    axes.bar(left, counts, width, align="edge", color=look[0])
