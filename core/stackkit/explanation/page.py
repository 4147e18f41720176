"""Show an explanation as one HTML page that needs no other file and sends no request."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stackkit.explanation.explain import Explanation
from stackkit.explanation.overlay import overlay_png
from stackkit.model.examples import jpeg
from stackkit.utils.figures import in_percent, percent

SHOWN = 960
"""Longest side of the image in the page, in pixels."""


def html(explanation: Explanation, model: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    explanation : Explanation
        What to show.
    model : str
        Name of the model.

    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,  # names of files and classes may be anything
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["points"] = in_percent
    regions = explanation.regions
    return environment.get_template("page.html.jinja").render(
        model=model,
        prediction=explanation.prediction,
        votes=explanation.votes,
        image=_address("image/jpeg", jpeg(explanation.image, SHOWN)),
        regions=regions,
        overlay=regions and _address("image/png", overlay_png(regions)),
        neighbours=[
            (each, explanation.classes[each.label], _address("image/jpeg", each.thumbnail))
            for each in explanation.neighbours
        ],
    )


def _address(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
