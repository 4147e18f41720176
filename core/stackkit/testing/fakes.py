"""Fakes that datasets are tested with: a file system in another order, and a download server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@contextmanager
def reversed_listing() -> Iterator[None]:
    """List every folder in reverse in the block, as another file system might."""
    # pathlib, glob and os.walk all use these two.
    listdir, scandir = os.listdir, os.scandir

    def reversed_scandir(*arguments: Any) -> Any:
        with scandir(*arguments) as entries:
            return _Entries(list(entries)[::-1])

    os.listdir = lambda *arguments: listdir(*arguments)[::-1]  # type: ignore[assignment]
    os.scandir = reversed_scandir  # type: ignore[assignment]
    try:
        yield
    finally:
        os.listdir, os.scandir = listdir, scandir


class _Entries(Iterator[Any]):
    """The result of os.scandir: an iterator that is also a context manager."""

    def __init__(self, entries: Sequence[Any]) -> None:
        self._entries = iter(entries)

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def close(self) -> None:
        """Do nothing: the folder is closed already."""


@contextmanager
def serving(content: bytes) -> Iterator[str]:
    """Serve `content` on this machine in the block; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Keep stderr clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dataset.tgz"
    finally:
        server.shutdown()
        server.server_close()
