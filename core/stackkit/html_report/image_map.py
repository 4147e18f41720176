"""The map of the features: points of an SVG that need no script, and the images that a script shows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stackkit.evaluation.outcomes import Outcomes
from stackkit.evidence.evidence import Evidence, FeatureMap
from stackkit.evidence.thumbnails import SMALL
from stackkit.html_report.text import image_address
from stackkit.utils.console import literal

WIDTH, HEIGHT = 900, 600
"""Size of the map, in units of the SVG."""

MARGIN = 16

CELL = SMALL
"""Side of an image on the sheet, in pixels; the style of the page has it too."""

COLUMNS = 40
"""Images in a row of the sheet."""

SHEET_QUALITY = 62

FEW_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a8f00", "#7a5cc4")
"""Colours for up to eight classes; all are visible on light and on dark ground (after Okabe and Ito)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPoint:
    """An image on the map: its number on it, its place, and whether the answer about it is right."""

    number: int
    x: float
    y: float
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MapClass:
    """The points of a class, and their colour."""

    name: str
    label: int
    colour: str
    points: Sequence[MapPoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMap:
    """Everything that the page needs to draw the map.

    Parameters
    ----------
    method : str
        How the places were found.
    classes : sequence of MapClass
        The points by class.
    sheet : str
        Address of one picture with all small images; "" if there are none.
    data : dict
        What the script looks up by the number of a point.
    wrong : int
        Number of points whose answer is wrong.

    """

    method: str
    classes: Sequence[MapClass]
    sheet: str
    data: dict[str, Any]
    wrong: int

    @property
    def size(self) -> int:
        """Number of images on the map."""
        return sum(len(each.points) for each in self.classes)


def image_map(outcomes: Outcomes, evidence: Evidence, row: int) -> ImageMap | None:
    """Return the map of a record; None if there are no points.

    Parameters
    ----------
    outcomes, evidence
        Of the record.
    row : int
        The row of the results whose answers count as right or wrong.

    """
    drawn = evidence.feature_map
    if drawn is None or not len(drawn.image):
        return None
    answers = _answers(outcomes, row)
    labels = outcomes.labels[drawn.image]
    right = (answers[drawn.image] == labels) | (answers[drawn.image] < 0)
    places = _placed(drawn.points)
    colours = class_colours(len(outcomes.classes))
    classes = [
        MapClass(
            name=outcomes.classes[label],
            label=int(label),
            colour=colours[label],
            points=[
                MapPoint(
                    number=int(number),
                    x=round(float(places[number, 0]), 1),
                    y=round(float(places[number, 1]), 1),
                    right=bool(right[number]),
                )
                for number in np.flatnonzero(labels == label)
            ],
        )
        for label in np.unique(labels)
    ]
    ids = [outcomes.ids[position] for position in drawn.image]
    sheet, cells = _sheet(ids, evidence.small)
    data = _data(outcomes, drawn, answers, cells)
    wrong = int((~right).sum())
    return ImageMap(method=drawn.method, classes=classes, sheet=sheet, data=data, wrong=wrong)


def class_colours(count: int) -> list[str]:
    """Return a colour for each class; neighbours in the list differ in hue and in lightness."""
    if count <= len(FEW_COLOURS):
        return list(FEW_COLOURS[:count])
    lightness = (0.58, 0.7, 0.64)
    # The golden angle keeps hues apart for any number of classes.
    return [f"oklch({lightness[n % 3]} 0.15 {137.508 * n % 360:.0f})" for n in range(count)]


def _answers(outcomes: Outcomes, row: int) -> NDArray[np.int64]:
    """Return the answer about each image in the first repeat that has it, -1 for images without."""
    answers = np.full(len(outcomes.ids), -1, dtype=np.int64)
    answers[outcomes.image[::-1]] = outcomes.rows[row].predicted[::-1]
    return answers


def _placed(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return places within the SVG; both axes keep their own scale, for only nearness has a meaning."""
    low, high = points.min(axis=0), points.max(axis=0)
    shares = (points - low) / np.where(high > low, high - low, 1)
    places: NDArray[np.float64] = MARGIN + shares * (np.array([WIDTH, HEIGHT]) - 2.0 * MARGIN)
    return places


def _data(
    outcomes: Outcomes, drawn: FeatureMap, answers: NDArray[np.int64], cells: Sequence[int]
) -> dict[str, Any]:
    return {
        "ids": [literal(outcomes.ids[position]) for position in drawn.image],
        "labels": outcomes.labels[drawn.image].tolist(),
        "answers": answers[drawn.image].tolist(),
        "classes": [literal(name) for name in outcomes.classes],
        "cells": list(cells),
        "columns": COLUMNS,
        "cell": CELL,
    }


def _sheet(ids: Sequence[str], small: Mapping[str, bytes]) -> tuple[str, list[int]]:
    """Return one picture with all small images, and the cell of each id (-1 without an image).

    One sheet, because a thousand files of a kilobyte each are mostly headers.
    """
    there = [name for name in dict.fromkeys(ids) if name in small]
    cell_of = {name: cell for cell, name in enumerate(there)}
    if not there:
        return "", [-1] * len(ids)
    rows = -(-len(there) // COLUMNS)
    sheet = Image.new("RGB", (CELL * min(len(there), COLUMNS), CELL * rows), (128, 128, 128))
    for name, cell in cell_of.items():
        with Image.open(io.BytesIO(small[name])) as image:
            image.thumbnail((CELL, CELL))
            x, y = cell % COLUMNS * CELL, cell // COLUMNS * CELL
            sheet.paste(image, (x + (CELL - image.width) // 2, y + (CELL - image.height) // 2))
    stream = io.BytesIO()
    sheet.save(stream, "JPEG", quality=SHEET_QUALITY, optimize=True)
    return image_address(stream.getvalue()), [cell_of.get(name, -1) for name in ids]
