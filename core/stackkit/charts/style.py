"""Draw with matplotlib in one style, and return SVG that can stand inside an HTML page."""

from __future__ import annotations

import html
import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from stackkit.charts.colours import FAINT, INK, LINE, STAND_INS

WIDTH = 7.2
"""Width of all pictures in inches of 72 units of the SVG."""

_PIXELS_PER_UNIT = 4 / 3
_PROLOGUE = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>\s*", re.DOTALL)
_GLOBAL_STYLE = re.compile(r"\s*<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_OPENING = re.compile(r"<svg [^>]*?viewBox=\"(0 0 ([\d.]+) [\d.]+)\"[^>]*>")
_FONT = re.compile(r"font: ([\d.]+px)[^;\"]*|; font-family: [^;\"]*")
_COLOUR = re.compile("|".join(STAND_INS))
_NO_TURN = re.compile(r' transform="rotate\(-0 [^)]*\)"')


@contextmanager
def drawing(height: float, *, width: float = WIDTH) -> Iterator[Any]:
    """Yield an empty figure, `width` x `height` inches, in stackkit's style.

    The user's own settings of matplotlib have no effect on it, and are left as they are. No window, no
    pyplot and no state of other figures is involved.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    logger = logging.getLogger("matplotlib")
    level = logger.level
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Browsers have letters that matplotlib's own font lacks, and the font cache is no user's matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        logger.setLevel(logging.ERROR)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        try:
            yield figure
        finally:
            logger.setLevel(level)


_SETTINGS = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.labelcolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "font.size": 9.0,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.id": "",
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$x$"
    "xtick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.color": LINE,
    "ytick.labelcolor": INK,
    "ytick.left": False,
}


def svg(figure: Any, name: str, alt: str) -> str:
    """Return a figure as an `<svg>` element whose colours and font follow the page around it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn with the colours of `colours`.
    name : str
        Unique on a page; begins all ids in the element, so that pictures do not take each other's parts.
    alt : str
        Text for those who do not see it.

    Returns
    -------
    str
        Equal for equal figures: no date, no random ids.

    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = _GLOBAL_STYLE.sub("", _PROLOGUE.sub("", stream.getvalue()))
    text = _FONT.sub(lambda found: f"font-size: {found[1]}" if found[1] else "", text)
    text = _NO_TURN.sub("", text)
    text = _COLOUR.sub(lambda found: STAND_INS[found[0]], text)
    text = re.sub(r' id="', f' id="{name}-', text)
    text = re.sub(r'xlink:href="#', f'href="#{name}-', text)
    text = text.replace('xlink:href="data:', 'href="data:')
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r"\s*\n\s*", "\n", text)
    return _OPENING.sub(lambda found: _opening(found[1], float(found[2]), alt), text, count=1).strip()


def _opening(box: str, width: float, alt: str) -> str:
    pixels = round(width * _PIXELS_PER_UNIT)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" role="img" width="{pixels}" '
        f'viewBox="{box}" style="stroke-linejoin: round; max-width: 100%; height: auto" '
        f'aria-label="{html.escape(alt)}">'
    )


def texts_on_the_right(axes: Any, texts: Sequence[str], size: float = 8.5) -> None:
    """Write a text beside each row, where the axes have a row per number from 0."""
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(texts)), texts, fontsize=size)
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)


def short(text: str, length: int = 40) -> str:
    """Return text as one line for a label: printable, and cut in the middle if it is longer."""
    plain = "".join(each if each.isprintable() else "\ufffd" for each in text)
    if len(plain) <= length:
        return plain
    begin = (length - 1) // 2
    return f"{plain[: length - 1 - begin]}\u2026{plain[-begin:]}"


def count(number: float) -> str:
    """Return a number of images, with one decimal if it is a mean over repeats."""
    return f"{number:,.1f}".removesuffix(".0")
