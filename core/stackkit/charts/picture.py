"""A picture of a report, with what it says in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as markup for a page.

    Parameters
    ----------
    name : str
        A short identifier, such as "accuracy".
    title : str
        Heading.
    markup : str
        An `<svg>` element, or an `<img>` with a data URI. All text in it is escaped; its colours follow
        the page by `currentColor` and the custom properties of the page's style sheet.
    alt : str
        What the picture shows, for those who do not see it: one or two sentences with the main figures.
    caption : str
        How to read it.

    """

    name: str
    title: str
    markup: str
    alt: str
    caption: str
