"""Draw on how many images the networks agree, which explains what stacking can gain."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.charts import colours
from stackkit.charts.picture import Picture
from stackkit.charts.rows import rows_of, untrained_note
from stackkit.charts.style import count, drawing, short, svg, texts_on_the_right
from stackkit.evidence.agreement import Agreement
from stackkit.evidence.agreement import agreement as agreement_of
from stackkit.report.record import Record
from stackkit.utils.figures import percent
from stackkit.verdicts.headline import headline_of


def agreement(record: Record) -> Picture | None:
    """Draw how many networks are right about the same images; None with fewer than two networks."""
    document, row = record.document, headline_of(record.document)
    found = agreement_of(document, record.outcomes, row)
    if found is None:
        return None
    stack = rows_of(document)[row]
    n_networks, total = len(found.backbones), found.images.sum()
    some = found.images[1:-1].sum()
    by_stack = found.stack_right[1:-1].sum()
    alt = (
        f"Of {count(total)} images, all {n_networks} networks are right about "
        f"{count(found.images[-1])}, some about {count(some)} and none about {count(found.images[0])}. "
        f"{stack.label} is right about {count(by_stack)} of the second and "
        f"{count(found.stack_right[0])} of the third."
    )
    with drawing(2.2 + 0.26 * (2 * n_networks + 1)) as figure:
        above, below = figure.subplots(2, height_ratios=(n_networks + 1, n_networks))
        texts = [_count_of(number, n_networks) for number in range(n_networks + 1)]
        _bars(above, texts[::-1], found.images[::-1], found.stack_right[::-1])
        above.set_title("How many networks are right about an image")
        labels = [short(each, 40) for each in found.backbones]
        _bars(below, labels, found.only, found.only_stack_right)
        below.set_title("Images that only this network gets right")
        below.set_xlabel("percent of these images")
        handles = above.get_legend_handles_labels()[0]
        names = [f"{short(stack.label, 36)} is right", "it is wrong"]
        figure.legend(handles, names, loc="outside upper left", ncols=2, fontsize=8.5)
        markup = svg(figure, "agreement", alt)
    return Picture(
        name="agreement",
        title="What the networks know together",
        markup=markup,
        alt=alt,
        caption=_caption(found) + untrained_note(document),
    )


def _caption(found: Agreement) -> str:
    return (
        "A stack gains where some networks are right and others wrong: the more such images, the more "
        "there is to gain. Images that no network gets right are hardly within its reach. Always "
        f"picking a network that is right would give {percent(found.oracle)}; no stack does, since it "
        "does not know which one that is. Each bar stands for the images that are counted on its right. "
        "Compared are the networks' first learners."
    )


def _count_of(number: int, total: int) -> str:
    if number == total:
        return f"all {total}"
    return "none" if number == 0 else f"{number} of {total}"


def _bars(axes: Any, labels: list[str], images: NDArray[np.float64], right: NDArray[np.float64]) -> None:
    lines = range(len(labels))
    shares = 100 * right / np.maximum(images, 1e-9)
    rest = np.where(images > 0, 100 - shares, 0)
    axes.barh(lines, shares, color=colours.BLUE, height=0.62, label="right")
    axes.barh(lines, rest, left=shares, color=colours.ORANGE, height=0.62, label="wrong")
    axes.set_xlim(0, 100)
    axes.set_yticks(lines, labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    texts_on_the_right(axes, [f"{count(a)} of {count(b)}" for a, b in zip(right, images, strict=True)])
