"""Draw which classes are taken for which, with confused classes side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.charts import colours
from stackkit.charts.picture import Picture
from stackkit.charts.rows import rows_of, untrained_note
from stackkit.charts.style import WIDTH, count, drawing, short, svg
from stackkit.evidence.confusions import confused_pairs, confusion, order
from stackkit.report.record import Record
from stackkit.verdicts.headline import headline_of

_NUMBERED = 30
"""Classes up to which each cell has its number."""

_NAMED = 400
"""Classes up to which rows and columns have names."""

_CELL = 0.125
"""Least side of a cell in inches: names of 8 points stand under each other."""

_LABELS = 1.9
"""Inches for the names of the classes."""


def confusion_matrix(record: Record) -> Picture:
    """Draw the confusion matrix of the headline row.

    Shares are drawn as opacity, so that the picture fits light and dark grounds. The picture of many
    classes is large, for a page that shows it small and lets it be opened.
    """
    outcomes, row = record.outcomes, headline_of(record.document)
    counts = confusion(outcomes, row)
    ordered = order(counts)
    names = [short(outcomes.classes[label], 28) for label in ordered.tolist()]
    label = rows_of(record.document)[row].label
    alt = _alt(label, counts, outcomes.classes)
    height, width = _size(len(names))
    with drawing(height, width=width) as figure:
        _draw(figure, counts[np.ix_(ordered, ordered)], names)
        markup = svg(figure, "confusion", alt)
    caption = (
        f"Answers of {label}. Each row is a class by its label, each column an answer. The diagonal "
        "(blue) holds right answers, everything else (orange) mistakes; the stronger the colour, the "
        "larger the share of the class. Classes that are taken for each other stand together, so blocks "
        "beside the diagonal are groups of similar classes."
    )
    return Picture(
        name="confusion",
        title="What is taken for what",
        markup=markup,
        alt=alt,
        caption=caption + untrained_note(record.document),
    )


def _size(n_classes: int) -> tuple[float, float]:
    """Return height and width in inches."""
    side = max(WIDTH - _LABELS, _CELL * n_classes)
    if n_classes < 10:
        side = max(0.55 * n_classes, 2.0)  # two classes need no cells of three inches
    return side + _LABELS, max(side + _LABELS, WIDTH if n_classes < 10 else 0)


def _draw(figure: Any, counts: NDArray[np.float64], names: list[str]) -> None:
    n_classes = len(names)
    axes = figure.add_subplot()
    has_numbers = n_classes <= _NUMBERED
    axes.imshow(_pixels(counts, *((0.1, 0.6) if has_numbers else (0.4, 1.0))), interpolation="none")
    axes.grid(visible=False)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(True)
    if n_classes <= _NAMED:
        size = 8.5 if has_numbers else 7.5
        axes.set_xticks(range(n_classes), names, rotation=90, fontsize=size)
        axes.set_yticks(range(n_classes), names, fontsize=size)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.set_ylabel("class by its label")
    axes.set_xlabel("answer")
    if has_numbers:
        for true, answer in np.argwhere(counts > 0).tolist():
            text = count(counts[true, answer])
            axes.text(answer, true, text, ha="center", va="center_baseline", fontsize=8)


def _pixels(counts: NDArray[np.float64], faintest: float, strongest: float) -> NDArray[np.uint8]:
    """Return RGBA pixels, (n_classes, n_classes, 4); rare mistakes are seen too, by the square root."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    pixels = np.empty((*counts.shape, 4), np.uint8)
    pixels[..., :3] = _rgb(colours.ORANGE)
    diagonal = np.arange(len(counts))
    pixels[diagonal, diagonal, :3] = _rgb(colours.BLUE)
    opacity = faintest + (strongest - faintest) * np.sqrt(shares.clip(0, 1))
    pixels[..., 3] = np.round(255 * np.where(shares > 0, opacity, 0))
    return pixels


def _rgb(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def _alt(label: str, counts: NDArray[np.float64], classes: Any) -> str:
    wrong = counts.sum() - np.trace(counts)
    text = (
        f"Confusion matrix of {label} for {len(classes):,} classes: {wrong:,.0f} of "
        f"{counts.sum():,.0f} images are taken for another class"
    )
    if pairs := confused_pairs(counts, 1):
        first, second = (short(classes[each]) for each in (pairs[0].first, pairs[0].second))
        both = pairs[0].first_as_second + pairs[0].second_as_first
        text += f"; most often {first} and {second} for each other ({count(both)} images)"
    return text + "."
