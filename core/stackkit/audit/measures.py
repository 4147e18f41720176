"""Measure sharpness, brightness, size and perceptual hash of images, and remember them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ImageError
from stackkit.api.jpeg_damage import unchecked
from stackkit.api.reporter import Reporter
from stackkit.audit.requirements import why_not
from stackkit.audit.subject import Subject
from stackkit.extraction.decoding import MAX_THREADS
from stackkit.utils.remembered import read_remembered, remember

if TYPE_CHECKING:
    from PIL import Image

FILE_NAME = "image-measures-1.jsonl"
"""File in the folder of the store, one line per image. It can be deleted: images are then measured
again. The number changes whenever other things are measured, or in another way."""

TASK = "measuring images"
"""Name of the progress bar."""

SIDE = 256
"""Longest side at which sharpness and brightness are measured, in pixels: about what networks see."""

TILES = 16
"""Tiles along the longest side. The sharpest one counts, as backgrounds may be blurred on purpose."""

_CHUNK = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What the pixels of one image are like.

    Parameters
    ----------
    width, height : int
        Size in pixels.
    sharpness : float
        Variance of the Laplacian of the luminance, from 0 to 255, in the sharpest tile of the image at
        `SIDE` pixels, see Notes.
    darkest, brightest : float
        5th and 95th percentile of the luminance, from 0 to 1.
    phash, mirrored : str
        Perceptual hash of the image and of its mirror image (64 bits as 16 hexadecimal digits), by
        imagehash; "" without it.

    Notes
    -----
    The variance of the Laplacian is the measure of focus by Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy", ICPR 2000. The hash is that of Zauner, "Implementation and Benchmarking of
    Perceptual Image Hash Functions", 2010.

    """

    width: int
    height: int
    sharpness: float
    darkest: float
    brightest: float
    phash: str = ""
    mirrored: str = ""


def measure(subject: Subject, folder: Path | None, reporter: Reporter) -> list[Measures | None]:
    """Measure the images that were not measured before.

    Parameters
    ----------
    subject : Subject
        The images.
    folder : Path or None
        Where `FILE_NAME` is; None measures all images.
    reporter : Reporter
        Receives progress.

    Returns
    -------
    list of Measures or None
        One entry per image; None for an image that cannot be decoded.

    """
    hashed = not why_not("imagehash")
    path = folder / FILE_NAME if folder and subject.fingerprints else None
    known = _known(path, subject.fingerprints, hashed=hashed)
    measured = [known.get(each) for each in subject.fingerprints] or [None] * len(subject.rows)
    todo = [place for place, each in enumerate(measured) if each is None]
    if todo:
        reporter.start(TASK, len(measured), len(measured) - len(todo))
    workers = min(MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="stackkit-measure") as pool:
        for start in range(0, len(todo), _CHUNK):
            chunk = todo[start : start + _CHUNK]
            images = [int(subject.rows[place]) for place in chunk]
            found = pool.map(lambda row: _measured(subject, row, hashed=hashed), images)
            new = dict(zip(chunk, found, strict=True))
            for place, each in new.items():
                measured[place] = each
            if path:
                remember(path, {subject.fingerprints[p]: asdict(m) for p, m in new.items() if m})
            reporter.advance(TASK, len(chunk))
    return measured


def _known(path: Path | None, fingerprints: Sequence[str], *, hashed: bool) -> dict[str, Measures]:
    found = dict[str, Measures]()
    if path is None:
        return found
    for key, values in read_remembered(path, set(fingerprints)).items():
        with suppress(TypeError):
            found[key] = Measures(**values)
    # Lines of an installation without imagehash do not hold for one that has it.
    return {key: each for key, each in found.items() if each.phash or not hashed}


def _measured(subject: Subject, row: int, *, hashed: bool) -> Measures | None:
    try:
        with unchecked():
            image = subject.dataset.image(row)
        return measures_of(image, hashed=hashed)
    except (OSError, ImageError, MemoryError):
        return None


def measures_of(image: Image.Image, *, hashed: bool) -> Measures:
    """Measure an image of any size, mode RGB; `hashed`: with perceptual hashes, which need imagehash."""
    grey = _small(image.convert("L"))
    pixels = np.asarray(grey, dtype=np.float32)
    darkest, brightest = np.percentile(pixels, (5, 95)) / 255
    return Measures(
        width=image.width,
        height=image.height,
        sharpness=round(_sharpness(pixels), 2),
        darkest=round(float(darkest), 4),
        brightest=round(float(brightest), 4),
        **(_hashes(grey) if hashed else {}),
    )


def _small(grey: Image.Image) -> Image.Image:
    from PIL import Image

    scale = SIDE / max(grey.size)
    if scale < 1:
        size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
        grey = grey.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return grey


def _sharpness(pixels: NDArray[np.float32]) -> float:
    """Return the highest variance of the Laplacian in a tile."""
    if min(pixels.shape) < 3:
        return 0.0
    inner = pixels[1:-1, 1:-1]
    laplacian = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:] - 4 * inner
    height, width = laplacian.shape
    side = min(SIDE // TILES, height, width)
    rows, columns = height // side, width // side  # what is left at two edges does not count
    tiles = laplacian[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return float(tiles.var(axis=(1, 3)).max())


def _hashes(grey: Image.Image) -> dict[str, Any]:
    import imagehash
    from PIL import ImageOps

    return {
        "phash": str(imagehash.phash(grey)),
        "mirrored": str(imagehash.phash(ImageOps.mirror(grey))),
    }
