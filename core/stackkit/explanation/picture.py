"""Show an explanation as one picture, for slides and messages."""

from __future__ import annotations

import io
import unicodedata
from contextlib import suppress
from itertools import filterfalse
from typing import TYPE_CHECKING

from stackkit.explanation.explain import Explanation
from stackkit.explanation.overlay import overlay

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

WIDTH, _MARGIN, _COLUMN = 1200, 40, 560
_TEXT, _SOFT, _BAR, _RAIL, _MARK = "#1c1c1e", "#5c5c66", "#3568b8", "#dcdce2", "#a33a00"
_THUMBNAIL = 208

FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
)
"""Fonts of systems with letters of many languages, for names that are not in ASCII."""


def png(explanation: Explanation) -> bytes:
    """Return a PNG file of 1200 pixels width: image with regions, classes, votes and neighbours."""
    from PIL import Image, ImageDraw

    shown = _with_regions(explanation)
    listed = 48 * len(explanation.prediction.top) + 32 * len(explanation.votes) + 50
    upper = _MARGIN + 90 + max(shown.height, listed)
    height = upper + (_THUMBNAIL + 130 if explanation.neighbours else _MARGIN)
    canvas = Image.new("RGB", (WIDTH, height), "#ffffff")
    draw = ImageDraw.Draw(canvas)
    _title(draw, explanation)
    canvas.paste(shown, (_MARGIN, _MARGIN + 90))
    _classes_and_votes(draw, explanation, _MARGIN * 2 + _COLUMN, _MARGIN + 90)
    _neighbours(canvas, draw, explanation, upper + 20)
    stream = io.BytesIO()
    canvas.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _with_regions(explanation: Explanation) -> Image.Image:
    image = explanation.image
    scale = min(_COLUMN / image.width, 640 / image.height)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    image = image.resize(size)
    if explanation.regions:
        layer = overlay(explanation.regions).resize(size)
        image.paste(layer, (0, 0), layer)
    return image


def _title(draw: ImageDraw.ImageDraw, explanation: Explanation) -> None:
    prediction = explanation.prediction
    title = f"{prediction.label}, {prediction.probability:.1%}"
    _write(draw, (_MARGIN, _MARGIN - 8), _cut(title, 60), 36, _TEXT)
    note = _cut(prediction.source, 90)
    if prediction.novel:
        note = "Unlike everything the model was trained on: the label may mean nothing."
    _write(draw, (_MARGIN, _MARGIN + 42), note, 20, _MARK if prediction.novel else _SOFT)


def _classes_and_votes(draw: ImageDraw.ImageDraw, explanation: Explanation, left: int, top: int) -> None:
    right = WIDTH - _MARGIN
    for each in explanation.prediction.top:
        _write(draw, (left, top), _cut(each.label, 38), 20, _TEXT)
        _write(draw, (right, top), f"{each.probability:.1%}", 20, _TEXT, anchor="ra")
        draw.rounded_rectangle((left, top + 28, right, top + 36), 4, fill=_RAIL)
        if each.probability > 0:
            end = left + max((right - left) * each.probability, 4)
            draw.rounded_rectangle((left, top + 28, end, top + 36), 4, fill=_BAR)
        top += 48
    _write(draw, (left, top + 14), "Votes of each network", 22, _TEXT)
    top += 50
    for votes in explanation.votes:
        best = max(votes.candidates, key=lambda each: each.probability)
        says = f"{_cut(best.label, 26)} {best.probability:.1%}"
        _write(draw, (left, top), _cut(votes.backbone, 24), 18, _SOFT)
        _write(draw, (right, top), says, 18, _TEXT, anchor="ra")
        top += 32


def _neighbours(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, explanation: Explanation, top: int
) -> None:
    from PIL import Image

    if explanation.neighbours:
        _write(draw, (_MARGIN, top), "Most similar training images", 22, _TEXT)
    for number, each in enumerate(explanation.neighbours):
        left = _MARGIN + number * (_THUMBNAIL + 20)
        with Image.open(io.BytesIO(each.thumbnail)) as opened:
            image = opened.convert("RGB")
        image.thumbnail((_THUMBNAIL, 160))
        canvas.paste(image, (left, top + 36))
        caption = _cut(explanation.classes[each.label], 21)
        _write(draw, (left, top + 202), caption, 16, _TEXT)
        _write(draw, (left, top + 224), f"similarity {each.similarity:.2f}", 14, _SOFT)


def _cut(text: str, length: int) -> str:
    plain = "".join(each if each.isprintable() else " " for each in text)
    return plain if len(plain) <= length else plain[: length - 3] + "..."


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    fill: str,
    anchor: str | None = None,
) -> None:
    from PIL import ImageFont

    font = None if text.isascii() else _system_font(size)
    if font is None:  # Pillow's own font has ASCII only, and draws a box for every other character
        parts = unicodedata.normalize("NFKD", text)
        text = "".join(filterfalse(unicodedata.combining, parts)).encode("ascii", "replace").decode()
    draw.text(place, text, fill=fill, font=font or ImageFont.load_default(size), anchor=anchor)


def _system_font(size: int) -> ImageFont.FreeTypeFont | None:
    from PIL import ImageFont

    for name in FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return None
