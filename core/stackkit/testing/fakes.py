"""What takes the place of a dataset's file system and of its server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@contextmanager
def listing_backwards() -> Iterator[None]:
    """Let this process list every folder from its end, as another file system might."""
    listdir, scandir = os.listdir, os.scandir

    def backwards(*arguments: Any) -> Any:
        with scandir(*arguments) as entries:
            return _Entries(list(entries)[::-1])

    os.listdir = lambda *arguments: listdir(*arguments)[::-1]  # type: ignore[assignment]
    os.scandir = backwards  # type: ignore[assignment]
    try:
        yield
    finally:
        os.listdir, os.scandir = listdir, scandir


class _Entries:
    """What os.scandir returns: an iterator that can be closed."""

    def __init__(self, entries: Sequence[Any]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open any more."""

    def close(self) -> None:
        """Nothing is open any more."""


@contextmanager
def serving(content: bytes) -> Iterator[str]:
    """The address on this machine from which `content` can be downloaded in the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dataset.tgz"
    finally:
        server.shutdown()
        server.server_close()
