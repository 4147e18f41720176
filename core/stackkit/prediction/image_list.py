"""Images to label, as the decoder of extraction reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stackkit.api.dataset import Sample

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class ImageList:
    """Images without labels, as a `Dataset`.

    Parameters
    ----------
    sources : sequence of str
        The name of each image in records and errors; several may have the same.
    read : callable
        Takes the number of an image and returns it in mode RGB; raises OSError or ImageError if it
        cannot be read.

    """

    sources: Sequence[str]
    read: Callable[[int], Image.Image]

    classes: Sequence[str] = ()
    notes: Sequence[str] = ()

    @cached_property
    def samples(self) -> Sequence[Sample]:
        """One sample per image. Its id is its number, since names may repeat."""
        return [Sample(id=str(number), label=0) for number in range(len(self.sources))]

    def image(self, i: int) -> Image.Image:
        """Return image i in mode RGB."""
        return self.read(i)

    def fingerprint(self, i: int) -> str:
        """Return a text that says nothing: nothing is stored by it."""
        return str(i)
