"""Draw how well the images of each class are recognised."""

from __future__ import annotations

from stackkit.charts import colours
from stackkit.charts.picture import Picture
from stackkit.charts.rows import rows_of, untrained_note
from stackkit.charts.style import count, drawing, short, svg, texts_on_the_right
from stackkit.evidence.confusions import ClassFigures, confusion, per_class
from stackkit.report.record import Record
from stackkit.utils.figures import percent
from stackkit.verdicts.headline import headline_of

MOST = 250
"""Number of classes that are drawn; of more, those that are recognised worst."""


def classes(record: Record) -> Picture | None:
    """Draw the accuracy of each class with its 95 % interval, the lowest first; None without images."""
    outcomes, document = record.outcomes, record.document
    row = headline_of(document)
    found = [each for each in per_class(confusion(outcomes, row)) if each.accuracy is not None]
    found.sort(key=lambda each: each.accuracy or 0.0)
    if not found:
        return None
    names = {each.label: short(outcomes.classes[each.label], 36) for each in found}
    label = rows_of(document)[row].label
    alt = _alt(label, found, names)
    shown = found[:MOST]
    with drawing(0.9 + 0.2 * len(shown)) as figure:
        axes = figure.add_subplot()
        lines = range(len(shown))
        axes.set_yticks(lines, [names[each.label] for each in shown], fontsize=8.5)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.grid(axis="y", visible=False)
        axes.tick_params(top=True, labeltop=True)  # where a tall picture begins, too
        axes.set_xlabel("recognised images in percent, with 95 % interval")
        texts_on_the_right(axes, [_right_of(each) for each in shown], size=8)
        ends = [each.interval_95 or (0.0, 0.0) for each in shown]
        low, high = ([100 * each[side] for each in ends] for side in (0, 1))
        axes.hlines(list(lines), low, high, color=colours.BLUE, linewidth=1.5)
        accuracies = [100 * (each.accuracy or 0.0) for each in shown]
        axes.plot(accuracies, list(lines), "o", markersize=4.5, color=colours.BLUE)
        overall = rows_of(document)[row].accuracy
        axes.axvline(100 * overall, color=colours.FAINT, linestyle="--", linewidth=1, zorder=1)
        markup = svg(figure, "classes", alt)
    caption = (
        f"Images of each class that {label} recognises, the worst class first. The dashed line is its "
        "accuracy. Intervals are wide where a class has few images: do not read much into their order."
    )
    if len(found) > MOST:
        caption += f" The {MOST} classes with the lowest accuracy of {len(found):,} are drawn."
    return Picture(
        name="classes",
        title="Accuracy of each class",
        markup=markup,
        alt=alt,
        caption=caption + untrained_note(document),
    )


def _right_of(figures: ClassFigures) -> str:
    right = (figures.accuracy or 0.0) * figures.n_images
    return f"{count(right)} of {figures.n_images}"


def _alt(label: str, found: list[ClassFigures], names: dict[int, str]) -> str:
    """Name the worst and the best class, and the median."""
    worst, best, middle = found[0], found[-1], found[len(found) // 2]
    return (
        f"Accuracy of {label} for {len(found):,} classes: from {percent(worst.accuracy or 0.0)} "
        f"({names[worst.label]}) to {percent(best.accuracy or 0.0)} ({names[best.label]}), "
        f"median {percent(middle.accuracy or 0.0)}."
    )
