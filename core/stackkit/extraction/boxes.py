"""Boxes that a network found: where it looked in each image, for views that show only this part."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ExtractionError, StoreError
from stackkit.store import BackboneKey, FeatureFile
from stackkit.store.metadata import Contents, read_contents


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """The boxes of some images.

    Parameters
    ----------
    resize : {"squash", "crop", "pad"}
        How an image became the square in which the network found its box.
    places : ndarray of shape (n, 4), float32
        x, y, width and height of each box, relative to this square; zeros where there is none.

    """

    resize: str
    places: NDArray[np.float32]

    def take(self, rows: Sequence[int]) -> Boxes:
        """Return the boxes of some images."""
        return Boxes(resize=self.resize, places=self.places[list(rows)])

    def has(self, row: int) -> bool:
        """Return whether there is a box for an image."""
        return bool(self.places[row].any())

    def on_image(self, row: int, image_size: tuple[int, int]) -> Sequence[float]:
        """Return x, y, width and height of a box, relative to an image of (width, height) pixels."""
        box: list[float] = self.places[row].tolist()
        if self.resize == "squash":
            return box
        # The square is a part of the image, or larger than it; what is beyond its edges is cut off.
        width, height = image_size
        side = min(image_size) if self.resize == "crop" else max(image_size)
        left, right = (_relative(width, side, at) for at in (box[0], box[0] + box[2]))
        top, bottom = (_relative(height, side, at) for at in (box[1], box[1] + box[3]))
        return left, top, right - left, bottom - top


def _relative(length: int, side: int, at: float) -> float:
    """Convert a place on a square of `side` pixels in the middle of `length` pixels to one on these."""
    return min(max((length - side) / 2 + at * side, 0.0), length) / length


def read_boxes(file: FeatureFile, key: BackboneKey) -> tuple[Boxes, NDArray[np.bool_]]:
    """Return the boxes in a feature file with this key, and (n,) for which images it has one.

    Raises
    ------
    ExtractionError
        If a box is no part of the image.

    """
    places, found = file.read(), file.intact()
    return checked_boxes(places, found, key), found


def checked_boxes(places: NDArray[np.float32], found: NDArray[np.bool_], key: BackboneKey) -> Boxes:
    """Return the boxes (n, 4) that a backbone with this key found in the images `found` (n,).

    Raises
    ------
    ExtractionError
        If a box is no part of the image.

    """
    corners = np.hstack([places[:, :2], places[:, :2] + places[:, 2:]])[found]
    if corners.size and not (
        corners.min() > -0.01 and corners.max() < 1.01 and places[found, 2:].min() > 0
    ):
        raise ExtractionError(
            f"{key.name} returned boxes that are no part of the image; a box is x, y, width and height, "
            "relative to the image"
        )
    return Boxes(resize=key.resize, places=places)


def stored_boxes(path: Path, contents: Contents) -> Boxes | None:
    """Return the boxes that the features in the file at `path` were computed with.

    Parameters
    ----------
    path, contents : Path, Contents
        A feature file of a store, and its metadata.

    Returns
    -------
    Boxes or None
        One box per row of the file, from any file that has boxes of its images; None if the view has no
        boxes.

    Raises
    ------
    StoreError
        If no box is stored any more.

    """
    name = contents.key.boxes
    if not name:
        return None
    known: dict[str, NDArray[np.float32]] = {}
    resize = ""
    for other in sorted(path.parent.with_name(name).glob("*.h5")):
        with suppress(StoreError, OSError):
            found = read_contents(other)
            if found.key.folder != name:
                continue
            with FeatureFile(other, found, writable=False) as file:
                boxes, intact = read_boxes(file, found.key)
            resize = boxes.resize
            rows = zip(found.rows.fingerprints, boxes.places, intact, strict=True)
            known |= {fingerprint: place for fingerprint, place, is_intact in rows if is_intact}
    nothing = np.zeros(4, np.float32)
    places = np.array([known.get(one, nothing) for one in contents.rows.fingerprints], np.float32)
    if not places.any():
        raise StoreError(f"the boxes of {path} are no longer stored; {how_to_store(contents)}")
    return Boxes(resize=resize, places=places)


def how_to_store(contents: Contents) -> str:
    """Return what the user must do to store boxes again: those of an attention view, or of this file."""
    if not contents.key.boxes:
        return "rerun `stackkit extract`"
    finders = [origin["boxes"] for origin in contents.provenance if "boxes" in origin]
    if not finders:  # salvaged rows do not name it
        return "delete this file and rerun `stackkit extract`"
    chosen = ["--dataset", contents.dataset, "--backbones", finders[-1]["label"]]
    if seed := finders[-1].get("options", {}).get("seed"):  # that of the run is no part of the label
        chosen += ["--seed", str(seed)]
    return f"to store them again, run `stackkit {shlex.join(['extract', *chosen])}`"
