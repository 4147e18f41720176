"""Show an explanation as one picture, for slides and messages."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from stackkit.explanation.explain import Explanation
from stackkit.explanation.overlay import overlay

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

WIDTH, _MARGIN, _COLUMN = 1200, 40, 560
_TEXT, _SOFT, _BAR, _RAIL, _MARK = "#1c1c1e", "#5c5c66", "#3568b8", "#dcdce2", "#a33a00"
_THUMBNAIL = 208


def png(explanation: Explanation) -> bytes:
    """Return a PNG file of 1200 pixels width: image with regions, classes, votes and neighbours."""
    from PIL import Image, ImageDraw

    shown = _with_regions(explanation)
    lines = 2 + len(explanation.prediction.top) + len(explanation.votes)
    upper = _MARGIN + 90 + max(shown.height, 48 * lines)
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
    image = explanation.image.copy()
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
    draw.text((_MARGIN, _MARGIN - 8), _cut(title, 60), fill=_TEXT, font=_font(36))
    note = _cut(prediction.source, 90)
    if prediction.novel:
        note = "Unlike everything the model was trained on: the label may mean nothing."
    draw.text((_MARGIN, _MARGIN + 42), note, fill=_MARK if prediction.novel else _SOFT, font=_font(20))


def _classes_and_votes(draw: ImageDraw.ImageDraw, explanation: Explanation, left: int, top: int) -> None:
    right = WIDTH - _MARGIN
    for each in explanation.prediction.top:
        draw.text((left, top), _cut(each.label, 38), fill=_TEXT, font=_font(20))
        draw.text((right, top), f"{each.probability:.1%}", fill=_TEXT, font=_font(20), anchor="ra")
        draw.rounded_rectangle((left, top + 28, right, top + 36), 4, fill=_RAIL)
        if each.probability > 0:
            end = left + max((right - left) * each.probability, 4)
            draw.rounded_rectangle((left, top + 28, end, top + 36), 4, fill=_BAR)
        top += 48
    draw.text((left, top + 14), "Votes of each network", fill=_TEXT, font=_font(22))
    top += 50
    for votes in explanation.votes:
        best = max(votes.candidates, key=lambda each: each.probability)
        says = f"{_cut(best.label, 26)} {best.probability:.1%}"
        draw.text((left, top), _cut(votes.backbone, 24), fill=_SOFT, font=_font(18))
        draw.text((right, top), says, fill=_TEXT, font=_font(18), anchor="ra")
        top += 32


def _neighbours(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, explanation: Explanation, top: int
) -> None:
    from PIL import Image

    if explanation.neighbours:
        draw.text((_MARGIN, top), "Most similar training images", fill=_TEXT, font=_font(22))
    for number, each in enumerate(explanation.neighbours):
        left = _MARGIN + number * (_THUMBNAIL + 20)
        with Image.open(io.BytesIO(each.thumbnail)) as opened:
            image = opened.convert("RGB")
        image.thumbnail((_THUMBNAIL, 160))
        canvas.paste(image, (left, top + 36))
        caption = _cut(explanation.classes[each.label], 21)
        draw.text((left, top + 202), caption, fill=_TEXT, font=_font(16))
        draw.text((left, top + 224), f"similarity {each.similarity:.2f}", fill=_SOFT, font=_font(14))


def _cut(text: str, length: int) -> str:
    plain = "".join(each if each.isprintable() else " " for each in text)
    return plain if len(plain) <= length else plain[: length - 3] + "..."


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
