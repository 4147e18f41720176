"""What every request passes through: access, security headers, counting, and no traceback to clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stackkit.serving.access import Access
from stackkit.serving.metrics import Metrics
from stackkit.serving.refusal import Refusal, error_response

HEADERS = {
    # Everything comes from the server itself; "blob:" shows the user's own images before they are sent.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_DRAINED_BYTES = 64_000_000
_DRAINING_S = 2.0


class Guard:
    """Wraps the application.

    Parameters
    ----------
    app : ASGI application
        Answers the requests that may be answered.
    access : Access
        Who may ask.
    metrics : Metrics
        Counts requests.
    paths : frozenset of str
        Paths that are counted by name; all others count as "other".
    crashed : callable
        Called with the error of a request that failed for no known reason.

    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        metrics: Metrics,
        paths: frozenset[str],
        crashed: Callable[[Exception], None],
    ) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._paths = paths
        self._crashed = crashed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, is_read = 0, False

        async def watched_receive() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = not message.get("more_body", False)
            return message

        async def send_safely(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                if not is_read and message["status"] >= 400:
                    await _drain(watched_receive)
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        request = Request(scope, watched_receive)
        try:
            self._access.check(request)
            await self._app(scope, watched_receive, send_safely)
        except Refusal as refusal:
            await refusal.response()(scope, watched_receive, send_safely)
        except Exception as error:
            self._crashed(error)
            if not status:
                await error_response(500, "the server failed; its log says why")(
                    scope, watched_receive, send_safely
                )
        self._metrics.request(self._known(scope["path"]), status)

    def _known(self, path: str) -> str:
        name = "/examples" if path.startswith("/examples/") else path
        return name if name in self._paths else "other"


async def _drain(receive: Receive) -> None:
    """Read the rest of a refused upload for a moment, and keep nothing.

    A client that is still sending when the connection closes may never see why it is refused.
    """
    seen = 0
    try:
        async with asyncio.timeout(_DRAINING_S):
            while seen < _DRAINED_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
