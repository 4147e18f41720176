"""Explain what was special about the pixels of images, and how many images it concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from stackkit.api.pixels import ImageRemark, RemarkKind

_EXAMPLES = 3

_TEXTS: Mapping[RemarkKind, str] = {
    "damaged": "damaged but used, as they could be decoded (see suspect_images; --strict refuses them)",
    "turned": "turned upright by their EXIF orientation",
    "not-turned": "with an EXIF orientation that was ignored, so they may lie on their side "
    "(orientation=exif of the dataset turns them)",
    "alpha-dropped": "with transparent pixels, used in the colours that the file has under them "
    "(background=white of the dataset lays them on white)",
    "on-background": "with transparent pixels laid on the background",
    "16-bit-dark": "with 16 bits that use less than a quarter of their range, so they are dark or flat "
    "(scale_16bit=4095 of the dataset makes 4095 white, scale_16bit=image scales each image)",
    "16-bit-colour-dark": "with 16 bits per colour that use less than a quarter of their range, which "
    "Pillow reduces to a few levels (save them with 8 bits per colour)",
    "16-bit-scaled": "with 16 bits scaled by scale_16bit",
}


def image_notes(remarks: Mapping[str, Sequence[ImageRemark]]) -> Iterator[str]:
    """Yield a note for each kind of remark, with its number of images and the first ids.

    Parameters
    ----------
    remarks : mapping of str to sequence of ImageRemark
        The remarks on each image, by id.

    """
    names: dict[RemarkKind, list[str]] = defaultdict(list)
    for name, on_image in remarks.items():
        for remark in on_image:
            names[remark.kind].append(name)
    for kind, text in _TEXTS.items():
        if found := names.get(kind):
            yield f"{len(found)} image(s) {text}, for example {', '.join(found[:_EXAMPLES])}."
