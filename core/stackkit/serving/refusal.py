"""Why the server does not answer a request: one JSON shape for every error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi.responses import JSONResponse

CODES = {
    400: "bad-request",
    401: "token-required",
    403: "cross-origin",
    404: "not-found",
    405: "method-not-allowed",
    408: "upload-too-slow",
    413: "too-large",
    415: "not-an-image",
    421: "unknown-host",
    422: "invalid",
    429: "too-many-requests",
    500: "internal",
    503: "not-available",
}
"""What `error.code` says for each HTTP status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """What went wrong.

    Attributes
    ----------
    code : str
        A word for programs, one per HTTP status, such as "too-large".
    message : str
        One sentence for people: what is wrong, what is allowed, and what to do.
    images : list of str
        Names of the images that the message is about; empty if it is about the request.

    """

    code: str
    message: str
    images: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDocument:
    """The body of every answer that is not a success."""

    error: ErrorDetail


class Refusal(Exception):  # noqa: N818  a refused request is no fault of the server
    """A request is refused; the client gets the status and the message as JSON.

    Parameters
    ----------
    status : int
        HTTP status, one of `CODES`.
    message : str
        See `ErrorDetail`.
    images : sequence of str
        See `ErrorDetail`.

    """

    def __init__(self, status: int, message: str, images: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.images = list(images)

    def response(self) -> JSONResponse:
        """Return the answer for the client."""
        return error_response(self.status, str(self), self.images)


def error_response(
    status: int, message: str, images: Sequence[str] = (), headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return a JSON error; 401, 429 and 503 tell clients what to do in a header, too."""
    extra = {"Cache-Control": "no-store", **(headers or {})}
    if status in (429, 503):
        extra["Retry-After"] = "1"
    if status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    code = CODES.get(status, "refused")
    content = {"error": {"code": code, "message": message, "images": list(images)}}
    return JSONResponse(content, status_code=status, headers=extra)
