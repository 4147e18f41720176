"""Who may ask the server: the names that it answers to, pages of other sites, and the token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from starlette.requests import Request

from stackkit.serving.refusal import Refusal

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_SHORTEST_TOKEN = 16
_OPEN_PATHS = frozenset({"/", "/health", "/openapi.json", "/page.css", "/page.js", "/icon.svg"})
"""What is answered without the token: the page that asks for it, and nothing about the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask.

    Parameters
    ----------
    names : frozenset of str
        Host names that the server answers to. Empty: all. A page of another site can make a browser
        connect to an address of its choice under its own name (DNS rebinding), which this refuses.
    token : str or None
        Secret that requests must send as "Authorization: Bearer TOKEN".

    """

    names: frozenset[str] = field(default=LOOPBACK_NAMES)
    token: str | None = field(default=None, repr=False)

    def check(self, request: Request) -> None:
        """Raise Refusal with status 421, 403 or 401 unless the request may be answered."""
        host = request.headers.get("host", "")
        if self.names and _name(host) not in self.names:
            raise Refusal(
                421,
                "the server does not answer to this host name; start it with --allowed-host NAME "
                "if it is yours",
            )
        if request.method not in ("GET", "HEAD") and _is_cross_origin(request, host):
            raise Refusal(403, "pages of other sites may not send images to this server")
        # Not `request.url`, which some versions of Starlette compose with the Host header: a header such
        # as "localhost/health?" would then make every path an open one.
        if self.token is not None and request.scope["path"] not in _OPEN_PATHS:
            self._check_token(request.headers.get("authorization", ""), self.token)

    @staticmethod
    def _check_token(header: str, token: str) -> None:
        scheme, _, given = header.partition(" ")
        # Both sides as bytes: compare_digest takes no text with other characters than ASCII.
        is_equal = secrets.compare_digest(given.strip().encode(), token.encode())
        if scheme.lower() != "bearer" or not is_equal:
            raise Refusal(401, "send the server's token as the header Authorization: Bearer TOKEN")


def token_problem(token: str) -> str | None:
    """Return why a token is refused, or None."""
    if len(token) < _SHORTEST_TOKEN:
        return f"must have at least {_SHORTEST_TOKEN} characters, got {len(token)}"
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "must be of ASCII letters, digits and punctuation, without spaces"
    return None


def _name(host: str) -> str:
    """Return the name in a Host header, without its port and the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def _is_cross_origin(request: Request, host: str) -> bool:
    """Tell whether a browser sends the request for a page of another site; programs send no origin."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != host.lower()
