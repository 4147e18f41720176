"""Show which part of an image a network saw when it computed stored features."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api.errors import StoreError, UsageError
from stackkit.extraction.boxes import Boxes, how_to_store, read_boxes, stored_boxes
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.geometry import ATTENTION, Geometry, Region, region
from stackkit.host.host_options import BOXES
from stackkit.host.registry import Registry
from stackkit.store import FeatureFile
from stackkit.store.metadata import Contents

if TYPE_CHECKING:
    from PIL import Image

DIMMED = 0.35
"""Brightness of what the network did not see."""

COLOUR = (255, 210, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenImage:
    """An image, and the part of it that the network saw.

    Parameters
    ----------
    sample : str
        Name of the image.
    image : PIL.Image.Image
        The whole image, mode RGB.
    region : tuple of 4 floats
        Left, top, right and bottom edge of the part, in pixels.

    """

    sample: str
    image: Image.Image
    region: Region

    @property
    def share(self) -> float:
        """Area of the part relative to the image, > 0 and <= 1."""
        left, top, right, bottom = self.region
        return (right - left) * (bottom - top) / (self.image.width * self.image.height)

    def overlay(self) -> Image.Image:
        """Return a copy of the image in which everything else is dark, and the part has a frame."""
        from PIL import ImageDraw, ImageEnhance

        left, top, right, bottom = (round(edge) for edge in self.region)
        shown = ImageEnhance.Brightness(self.image).enhance(DIMMED)
        shown.paste(self.image.crop((left, top, right, bottom)), (left, top))
        width = max(min(self.image.size) // 100, 1)
        ImageDraw.Draw(shown).rectangle((left, top, right - 1, bottom - 1), outline=COLOUR, width=width)
        return shown


def seen_image(path: Path, contents: Contents, name: str, registry: Registry) -> SeenImage:
    """Return an image of a feature file, with the part that the network saw.

    Parameters
    ----------
    path, contents : Path, Contents
        The feature file and its metadata. A file of boxes shows where the network looked.
    name : str
        The image's id in the dataset.
    registry : Registry
        All components, to open the dataset.

    Raises
    ------
    UsageError
        If the file has no such image.
    StoreError
        If there is no box for it, or the image has changed since.
    StackkitError
        If the dataset or the image cannot be read.

    """
    names = [sample.id for sample in contents.rows.samples]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else f", but {names[0]}, for example"
        raise UsageError(f"{path} has no image {name!r}{hint}")
    row, key, boxes = names.index(name), contents.key, _boxes(path, contents)
    if boxes and not boxes.has(row):
        raise StoreError(f"{path} has no box for {name}; {how_to_store(contents)}")
    # A file of boxes was computed on whole images, and shows what was found in them.
    geometry = Geometry(size=key.image_size, view=ATTENTION)
    if key.boxes or not boxes:
        geometry = Geometry(size=key.image_size, resize=key.resize, view=key.view)
    dataset = open_dataset(registry.one("dataset", contents.dataset), least_classes=1)
    places = [sample.id for sample in dataset.samples]
    if name not in places:
        raise StoreError(f"the dataset {contents.dataset} no longer contains {name}")
    place = places.index(name)
    if dataset.fingerprint(place) != contents.rows.fingerprints[row]:
        raise StoreError(f"{name} has changed since its features were stored; rerun `stackkit extract`")
    image = dataset.image(place)
    box = boxes.on_image(row, image.size) if boxes else None
    return SeenImage(sample=name, image=image, region=region(image.size, geometry, box))


def _boxes(path: Path, contents: Contents) -> Boxes | None:
    """Return the boxes in a file of boxes, or those of an attention view."""
    components = [origin.get("component", {}) for origin in contents.provenance]
    if any(each.get("options", {}).get("pooling") == BOXES for each in components):
        with FeatureFile(path, contents, writable=False) as file:
            return read_boxes(file, contents.key)[0]
    return stored_boxes(path, contents)
