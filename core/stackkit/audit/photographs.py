"""Find bad photographs: blurred, dark, overexposed, tiny, and very long or tall ones.

A limit is absolute and relative to the dataset: an image is only listed if it is bad by itself and
unlike the others. Microscopy is mostly blurred and astronomy mostly dark, and neither is a fault there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stackkit.audit.findings import Finding, Kind
from stackkit.audit.measures import Measures
from stackkit.audit.subject import Subject

_LEAST_CONTRAST = 0.05
"""Less contrast counts as this: what is left then is mostly noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """A figure that is bad if it is low.

    Parameters
    ----------
    figure : callable
        The figure of an image, above 0.
    absolute : float
        Only figures below this one are bad.
    relative : float
        Only figures below this share of the median are bad.
    shown : callable
        The figure in words.

    """

    figure: Callable[[Measures], float]
    absolute: float
    relative: float
    shown: Callable[[float], str]


def _checks(input_size: int) -> Mapping[Kind, _Check]:
    # Limits of the birds of CUB-200-2011: see docs/how-to/audit.md.
    return {
        "blurred": _Check(
            figure=_relative_sharpness,
            absolute=1200,
            relative=0.1,
            shown=lambda figure: f"sharpness {figure:.0f}",
        ),
        "dark": _Check(
            figure=lambda m: m.brightest,
            absolute=0.25,
            relative=0.5,
            shown=lambda figure: f"95 % of its pixels are below {100 * figure:.0f} % of white",
        ),
        "bright": _Check(
            figure=lambda m: 1 - m.darkest,
            absolute=0.3,
            relative=0.5,
            shown=lambda figure: f"95 % of its pixels are above {100 * (1 - figure):.0f} % of white",
        ),
        "tiny": _Check(
            figure=lambda m: min(m.width, m.height),
            absolute=input_size,
            relative=0.5,
            shown=lambda figure: f"shorter side {figure:.0f} pixels",
        ),
        "odd-shape": _Check(
            figure=lambda m: min(m.width, m.height) / max(m.width, m.height),
            absolute=1 / 3,
            relative=0.5,
            shown=lambda figure: f"one side is {1 / figure:.1f} times the other",
        ),
    }


def _relative_sharpness(measures: Measures) -> float:
    """Return the sharpness after stretching the luminance to its whole range: dark is not blurred."""
    contrast = measures.brightest - measures.darkest
    return measures.sharpness / max(contrast, _LEAST_CONTRAST) ** 2


def bad_photographs(
    subject: Subject, measured: Sequence[Measures | None], input_size: int
) -> dict[Kind, list[Finding]]:
    """Return the findings of each kind about pixels.

    Parameters
    ----------
    subject : Subject
        The images.
    measured : sequence of Measures or None
        Their measures; None for an image that cannot be decoded.
    input_size : int
        Side of the images that the networks see, in pixels.

    """
    return {kind: _below(subject, measured, kind, check) for kind, check in _checks(input_size).items()}


def _below(
    subject: Subject, measured: Sequence[Measures | None], kind: Kind, check: _Check
) -> list[Finding]:
    figures = {place: check.figure(each) for place, each in enumerate(measured) if each}
    if not figures:
        return []
    median = float(np.median(list(figures.values())))
    limit = min(check.absolute, check.relative * median)
    return [
        subject.finding(
            kind, place, 1 - figure / limit, f"{check.shown(figure)}; median: {check.shown(median)}"
        )
        for place, figure in figures.items()
        if figure < limit
    ]
