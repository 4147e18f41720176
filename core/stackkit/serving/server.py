"""Run the application in this process until a signal ends it."""

from __future__ import annotations

import errno
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from stackkit.api.errors import UsageError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address, port 0 for any free one.

    Raises
    ------
    UsageError
        If the address is in use, not allowed, or not of this machine.

    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port must be from 0 to 65535, got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host} is no address of this machine: {error}") from None
    listening = socket.socket(family, kind, protocol)
    try:
        if hasattr(socket, "SO_REUSEPORT"):  # on Windows, SO_REUSEADDR shares ports in use
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(_reason(host, port, error)) from None
    return listening


def _reason(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use; choose another one with --port, or 0 for any"
    if error.errno == errno.EACCES:
        return f"port {port} needs the rights of an administrator; choose one above 1023 with --port"
    return f"cannot listen on {host} port {port}: {error.strerror or error}; choose another --host"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address or host name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)


def url_of(listening: socket.socket) -> str:
    """Return the address of a listening socket for a browser on this machine."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class Server:
    """Runs an application until SIGINT, SIGTERM or `stop`; requests in flight are answered first."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None

    def run(self, app: ASGIApp, listening: socket.socket, *, seconds: float) -> None:
        """Answer requests; at the end wait for those in flight, at most `seconds`."""
        config = uvicorn.Config(
            app,
            http="h11",  # httptools, which uvicorn prefers if it is there, has no limit on headers
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="on",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(seconds)),
        )
        # It warns of each malformed form, which clients may send as often as they like.
        logging.getLogger("python_multipart").setLevel(logging.ERROR)
        self._server = uvicorn.Server(config)
        with _signals_end_quietly():
            self._server.run(sockets=[listening])

    def stop(self) -> None:
        """End `run` soon; may be called in any thread."""
        if self._server is not None:
            self._server.should_exit = True


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Let uvicorn's own handlers act: it raises their signals again when all requests are answered."""
    if threading.current_thread() is not threading.main_thread():  # it never gets signals
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.signal(each, lambda number, frame: None) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
