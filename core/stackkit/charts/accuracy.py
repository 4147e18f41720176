"""Draw the accuracy of every row, and its gain over the best single backbone, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stackkit.charts import colours
from stackkit.charts.picture import Picture
from stackkit.charts.rows import Row, label_of, rows_of, untrained_note
from stackkit.charts.style import drawing, svg, texts_on_the_right
from stackkit.report.record import Record
from stackkit.report.rows import against_best_single
from stackkit.statistics.intervals import Interval
from stackkit.utils.figures import ends, in_percent, in_points, percent
from stackkit.verdicts.headline import headline_of
from stackkit.verdicts.sentences import is_claimed

_LOOKS = {
    "baseline": (colours.ORANGE, "s", "baseline"),
    "learner": (colours.GREEN, "o", "learner of one backbone"),
    "aggregator": (colours.BLUE, "D", "stack"),
    "reference": (colours.PURPLE, "^", "reference"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """A row with what is drawn beside its label; hollow if nothing can be claimed."""

    row: Row
    value: float
    ends: Interval
    is_filled: bool = True


def accuracy(record: Record) -> Picture:
    """Draw one line per row: the accuracy, its 95 % interval and both in figures; chance as a line."""
    document = record.document
    marks = [
        _Mark(row=row, value=row.accuracy, ends=row.interval_95)
        for row in sorted(rows_of(document), key=lambda row: row.step)
        if not row.is_chance
    ]
    chance = document["largest_class"]["share"]
    headline = rows_of(document)[headline_of(document)]
    alt = (
        f"Accuracy of {len(marks)} rows with 95 % intervals. {headline.label}: "
        f"{percent(headline.accuracy)} ({ends(headline.interval_95)}); "
        f"chance: {percent(chance)}."
    )
    with drawing(_height(marks)) as figure:
        axes = _prepared(figure, marks)
        for number, mark in enumerate(marks):  # a faint bar from 0 says that shares are meant
            colour = _LOOKS[mark.row.kind][0]
            axes.barh(number, 100 * mark.value, height=0.5, color=colour, alpha=0.16)
        _draw(axes, marks, [f"{in_percent(each.value)}  [{ends(each.ends)}]" for each in marks])
        axes.set_xlim(0, 100)
        axes.set_xlabel("accuracy in percent, with 95 % interval")
        axes.axvline(100 * chance, color=colours.FAINT, linestyle="--", linewidth=1, zorder=1)
        axes.annotate(
            f"chance {in_percent(chance)}",
            (100 * chance, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, 3),
            textcoords="offset points",
            color=colours.FAINT,
            fontsize=8,
        )
        markup = svg(figure, "accuracy", alt)
    caption = (
        "Each mark is the share of correct answers about images that were left out; the line through it "
        "is its 95 % interval. Intervals that overlap do not mean that two rows are equal: rows are "
        "compared on the same images, see the gains. The dashed line is chance: always answering the "
        "largest class."
    )
    return Picture(
        name="accuracy",
        title="Accuracy of every row",
        markup=markup,
        alt=alt,
        caption=caption + untrained_note(document),
    )


def gains(record: Record) -> Picture | None:
    """Draw the gain of each row over the best single backbone; None if there is only one row."""
    document = record.document
    marks = [each for each in _gains(document) if not each.row.is_chance]
    marks.sort(key=lambda each: each.row.step)
    if not marks:
        return None
    best = document["best_single"]
    alt = (
        f"Gain of {len(marks)} rows over {best['name']} on {best['backbone']}, in points with 95 % "
        f"intervals. {_most_telling(document, marks)}."
    )
    with drawing(_height(marks)) as figure:
        axes = _prepared(figure, marks)
        _draw(
            axes, marks, [f"{in_points(each.value)}  [{ends(each.ends, in_points)}]" for each in marks]
        )
        axes.axvline(0, color=colours.INK, linewidth=1, zorder=1)
        axes.set_xlabel(f"points of accuracy more than {label_of(best['name'], [best['backbone']])}")
        markup = svg(figure, "gains", alt)
    caption = (
        "Points of accuracy above the best single backbone, on the same images. Filled marks: the 95 % "
        "interval lies on one side of zero, and so says the test that is corrected for several "
        "comparisons. Hollow marks: no difference can be claimed."
    )
    return Picture(
        name="gains",
        title="Gain over the best single backbone",
        markup=markup,
        alt=alt,
        caption=caption + untrained_note(document),
    )


def _gains(document: dict[str, Any]) -> Iterator[_Mark]:
    """Yield the rows with their gains: those of the verdicts, else those of the results."""
    rows = rows_of(document)
    if against := against_best_single(document):
        found = [(row, against.get(row.position)) for row in rows]
        gains = [
            (row, each["difference"], each["interval_95"], each["p_holm"]) for row, each in found if each
        ]
    else:
        entries = [(row, e) for row, e in zip(rows, document["results"], strict=False)]
        gains = [
            (row, e["gain"], e["gain_interval_95"], 0.0) for row, e in entries if e["gain_interval_95"]
        ]
    for row, gain, (low, high), p in gains:
        yield _Mark(row=row, value=gain, ends=(low, high), is_filled=is_claimed((low, high), p))


def _most_telling(document: dict[str, Any], marks: Sequence[_Mark]) -> str:
    """Return the gain of the headline row in words, or else the largest one."""
    headline = headline_of(document)
    own = [each for each in marks if each.row.position == headline]
    mark = own[0] if own else max(marks, key=lambda each: each.value)
    return f"{mark.row.label}: {in_points(mark.value)} ({ends(mark.ends, in_points)})"


def _height(marks: Sequence[_Mark]) -> float:
    return 1.0 + 0.27 * len(marks)


def _prepared(figure: Any, marks: Sequence[_Mark]) -> Any:
    """Return axes with the labels of the rows, the first one on top, and a legend of their kinds."""
    axes = figure.add_subplot()
    axes.set_yticks(range(len(marks)), [each.row.label for each in marks])
    axes.set_ylim(len(marks) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    looks = [_LOOKS[kind] for kind in dict.fromkeys(each.row.kind for each in marks)]
    handles = [
        axes.plot([], [], linestyle="", marker=marker, color=colour, label=label)[0]
        for colour, marker, label in looks
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=8.5)
    return axes


def _draw(axes: Any, marks: Sequence[_Mark], texts: Sequence[str]) -> None:
    minus = [text.replace("-", "\N{MINUS SIGN}") for text in texts]  # as on the scale
    texts_on_the_right(axes, minus)
    for number, mark in enumerate(marks):
        colour, marker, _ = _LOOKS[mark.row.kind]
        low, high = mark.ends
        axes.plot([100 * low, 100 * high], [number, number], color=colour, linewidth=2, zorder=2)
        axes.plot(
            100 * mark.value,
            number,
            marker=marker,
            markersize=6,
            color=colour,
            markerfacecolor=colour if mark.is_filled else colours.GROUND,
            zorder=3,
        )
