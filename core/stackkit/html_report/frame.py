"""Show a page within another one, such as a notebook."""

from __future__ import annotations

from html import escape

HEIGHT = 720
"""Height of the frame, in pixels."""


def frame(page: str) -> str:
    """Return an `<iframe>` that holds a whole page.

    Parameters
    ----------
    page : str
        The page, see `stackkit.html_report.page.page`.

    Notes
    -----
    The sandbox gives the page an origin of its own: its script reaches neither the notebook nor its
    cookies.

    """
    style = f"width: 100%; height: {HEIGHT}px; border: 1px solid #8886; border-radius: 8px"
    return (
        f'<iframe title="stackkit report" sandbox="allow-scripts" style="{style}" '
        f'srcdoc="{escape(page)}"></iframe>'
    )
