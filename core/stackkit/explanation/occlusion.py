"""Find the regions of an image that an answer depends on, by covering them one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import UsageError
from stackkit.api.reporter import Reporter
from stackkit.prediction.predictor import Predictor

if TYPE_CHECKING:
    from PIL import Image

GRIDS = (3, 16)
"""Smallest and largest number of cells per side."""

TASK = "covering regions"
"""What progress is reported of."""

_BATCH = 32
"""Covered images between two reports of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OcclusionMap:
    """How much the probability of a class falls when a region is covered.

    Attributes
    ----------
    falls : ndarray of shape (grid, grid), float64
        Mean fall of the probability over the squares that cover a cell, from -1 to 1. Negative: without
        this region the class would be more probable.
    images : int
        How many covered images the model has labelled for it.

    """

    falls: NDArray[np.float64]
    images: int


def occlusion_map(
    predictor: Predictor, image: Image.Image, label: int, grid: int, reporter: Reporter
) -> OcclusionMap:
    """Cover each region of an image with its mean colour, and see what that does to a class.

    A square is two cells wide and moves by one cell, so (grid - 1)^2 covered images are labelled.

    Parameters
    ----------
    predictor : Predictor
        Labels the covered images, in batches.
    image : PIL.Image.Image
        The image, in mode RGB.
    label : int
        The class.
    grid : int
        Cells per side.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    UsageError
        If `grid` is out of range.

    References
    ----------
    M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.

    """
    low, high = GRIDS
    if not low <= grid <= high:
        raise UsageError(f"grid must be from {low} to {high}, got {grid}")
    places = [(row, column) for row in range(grid - 1) for column in range(grid - 1)]
    colour, whole = _mean_colour(image), _probability(predictor, [image], label)[0]
    sums, counts = np.zeros((grid, grid)), np.zeros((grid, grid))
    reporter.start(TASK, len(places))
    for start in range(0, len(places), _BATCH):
        block = places[start : start + _BATCH]
        covered = _Covered(image, colour, [_square(image, place, grid) for place in block])
        found = _probability(predictor, covered, label)
        for (row, column), probability in zip(block, found, strict=True):
            cells = np.s_[row : row + 2, column : column + 2]
            sums[cells] += whole - probability
            counts[cells] += 1
        reporter.advance(TASK, len(block))
    return OcclusionMap(falls=sums / counts, images=len(places))


def _probability(predictor: Predictor, images: Sequence[Image.Image], label: int) -> NDArray[np.float64]:
    return predictor.model.answer(predictor.features(images)).probabilities[:, label]


def _mean_colour(image: Image.Image) -> tuple[int, int, int]:
    red, green, blue = np.asarray(image).reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
    return red, green, blue


def _square(image: Image.Image, place: tuple[int, int], grid: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the square whose first cell is at (row, column)."""
    row, column = place
    xs = np.linspace(0, image.width, grid + 1).round().astype(int).tolist()
    ys = np.linspace(0, image.height, grid + 1).round().astype(int).tolist()
    return xs[column], ys[row], xs[column + 2], ys[row + 2]


@dataclass(frozen=True, slots=True)
class _Covered(Sequence[Any]):
    """Copies of an image, each with one square covered.

    A copy is made when it is asked for: those of a large photograph would need gigabytes together.
    """

    image: Image.Image
    colour: tuple[int, int, int]
    squares: Sequence[tuple[int, int, int, int]]

    def __len__(self) -> int:
        return len(self.squares)

    def __getitem__(self, index: Any) -> Any:
        copy = self.image.copy()
        copy.paste(self.colour, self.squares[index])
        return copy
