"""Draw how accuracy grows with the number of training images."""

from __future__ import annotations

from typing import Any

from stackkit.charts import colours
from stackkit.charts.picture import Picture
from stackkit.charts.rows import labels_of, untrained_note
from stackkit.charts.style import count, drawing, svg
from stackkit.report.record import Record
from stackkit.utils.figures import percent
from stackkit.verdicts.headline import headline_of

_LOOKS = (
    (colours.GREEN, "o", "-"),
    (colours.ORANGE, "s", "-"),
    (colours.PURPLE, "^", "-"),
    (colours.GREEN, "v", "--"),
    (colours.ORANGE, "P", "--"),
    (colours.PURPLE, "X", "--"),
)
"""Of the curves besides that of the headline row; of more curves, all are grey."""


def learning_curve(record: Record) -> Picture | None:
    """Draw the learning curves of a run with 95 % intervals and forecasts; None if there are none."""
    document = record.document
    found = document.get("learning_curve") or {"curves": (), "sentence": ""}
    curves = [each for each in found["curves"] if each["points"]]
    if not curves:
        return None
    headline = [*document["results"], *document.get("references", ())][headline_of(document)]
    is_main = [_key(each) == _key(headline) for each in curves]
    if not any(is_main):
        is_main[-1] = True
    labels = labels_of(curves)
    main, main_label = curves[is_main.index(True)], labels[is_main.index(True)]
    first, last = main["points"][0], main["points"][-1]
    alt = (
        f"Learning curve of {main_label}: {percent(first['accuracy'])} with {_count(first)} training "
        f"images per class, {percent(last['accuracy'])} with {_count(last)}. {found['sentence']}"
    )
    with drawing(4.4) as figure:
        axes = figure.add_subplot()
        others = [number for number, own in enumerate(is_main) if not own]
        for look, number in enumerate(others):
            _draw_other(axes, curves[number], labels[number], look, len(others))
        _draw_main(axes, main, main_label)
        _scale(axes, [point for each in curves for point in _all_points(each)])
        axes.set_xlabel("training images per class (each step to the right is a factor)")
        axes.set_ylabel("accuracy in percent")
        axes.legend(loc="lower right", fontsize=8.5)
        markup = svg(figure, "learning-curve", alt)
    caption = (
        "Accuracy on the same test images after training on part of the images. The band is the 95 % "
        "interval. A curve that still rises at its right end says that more images would help; the "
        "hollow mark is a forecast for twice as many, from the shape of the curve."
    )
    return Picture(
        name="learning-curve",
        title="Accuracy by number of images",
        markup=markup,
        alt=alt,
        caption=caption + untrained_note(document),
    )


def _key(curve: dict[str, Any]) -> tuple[Any, ...]:
    return curve.get("name"), tuple(curve.get("backbones", ()))


def _count(point: dict[str, Any]) -> str:
    return count(point["images_per_class"])


def _all_points(curve: dict[str, Any]) -> list[dict[str, Any]]:
    return [*curve["points"], *([curve["forecast"]] if curve.get("forecast") else [])]


def _draw_main(axes: Any, curve: dict[str, Any], label: str) -> None:
    points, forecast = curve["points"], curve.get("forecast")
    x = [each["images_per_class"] for each in points]
    low, high = ([100 * each["interval_95"][side] for each in points] for side in (0, 1))
    axes.fill_between(x, low, high, color=colours.BLUE, alpha=0.18, linewidth=0)
    y = [100 * each["accuracy"] for each in points]
    axes.plot(x, y, "D-", color=colours.BLUE, linewidth=2, markersize=5, label=label)
    if forecast:
        ends = [100 * each for each in forecast["interval_95"]]
        to, at = 100 * forecast["accuracy"], forecast["images_per_class"]
        axes.plot([x[-1], at], [y[-1], to], ":", color=colours.BLUE, linewidth=1.5)
        axes.vlines(at, *ends, color=colours.BLUE, linewidth=1.5)
        axes.plot(
            at,
            to,
            "D",
            color=colours.BLUE,
            markerfacecolor=colours.GROUND,
            markersize=6,
            label="forecast for twice as many images",
        )


def _draw_other(axes: Any, curve: dict[str, Any], label: str, number: int, total: int) -> None:
    x = [each["images_per_class"] for each in curve["points"]]
    y = [100 * each["accuracy"] for each in curve["points"]]
    if total > len(_LOOKS):
        shared = "single backbones" if number == 0 else None
        axes.plot(x, y, "-", color=colours.FAINT, linewidth=0.9, alpha=0.7, label=shared)
        return
    colour, marker, line = _LOOKS[number]
    look = {"marker": marker, "linestyle": line, "color": colour}
    axes.plot(x, y, **look, linewidth=1.2, markersize=4, label=label)


def _scale(axes: Any, points: list[dict[str, Any]]) -> None:
    """Make the scale logarithmic, with a tick at each number of images that was tried."""
    counts = sorted({each["images_per_class"] for each in points})
    axes.set_xscale("log")
    kept: list[float] = []
    for each in counts:  # of numbers that would overlap, the first one
        if not kept or each / kept[-1] > 1.25:
            kept.append(each)
    axes.set_xticks(kept, list(map(count, kept)))
    axes.set_xticks([], minor=True)
