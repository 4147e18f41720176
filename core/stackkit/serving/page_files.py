"""Send the page for people: four files of this package, without a build step."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def add_page(app: FastAPI) -> frozenset[str]:
    """Add the page's files, and return their paths."""
    for path, (name, kind) in _FILES.items():
        content = files("stackkit.serving").joinpath("page", name).read_bytes()
        app.add_route(path, _Sends(content, kind).answer, methods=["GET"], include_in_schema=False)
    return frozenset(_FILES)


class _Sends:
    def __init__(self, content: bytes, kind: str) -> None:
        self._content = content
        self._kind = kind

    async def answer(self, request: Request) -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(self._content, media_type=self._kind, headers=headers)
