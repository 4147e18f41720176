"""A real S3 server on this machine, which can be told to fail."""

import logging
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",  # the server accepts every key
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "2",
}

Environ = dict[str, Any]
Start = Callable[..., Any]
Fault = Callable[[Environ, Start], Iterable[bytes]]


class Server:
    """moto's S3 server; `faults` decide about requests before it does.

    Attributes
    ----------
    url : str
        The endpoint.
    requests : Counter
        How often each method and path was requested, such as "GET /bucket/a.png".
    faults : list of callable
        Each takes "GET /bucket/a.png" and returns what answers it, or None.

    """

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.requests: Counter[str] = Counter()
        self.faults: list[Callable[[str], Fault | None]] = []
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _answer(self, environ: Environ, start: Start) -> Iterable[bytes]:
        what = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        self.requests[what] += 1
        for fault in self.faults:
            if answer := fault(what):
                return answer(environ, start)
        found: Iterable[bytes] = self._moto(environ, start)
        return found

    def stop(self) -> None:
        """Stop the server and release its port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def refusal(status: str, code: str, message: str) -> Fault:
    """Return an answer as S3 refuses a request, such as "403 Forbidden", "ExpiredToken"."""

    def answer(environ: Environ, start: Start) -> Iterable[bytes]:
        start(status, [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()]

    return answer


def cut(environ: Environ, start: Start) -> Iterable[bytes]:
    """Promise a thousand bytes, send three, and reset the connection."""
    start("206 Partial Content", [("Content-Length", "1000")])
    yield b"abc"
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


def first(times: int, part: str, answer: Fault) -> Callable[[str], Fault | None]:
    """Return a fault of the first requests whose method and path contain `part`."""
    left = [times]

    def fault(what: str) -> Fault | None:
        if part not in what or not left[0]:
            return None
        left[0] -= 1
        return answer

    return fault


@contextmanager
def s3_server() -> Iterator[Server]:
    """Yield a server that s3fs uses in this process and in those that it starts."""
    from s3fs import S3FileSystem

    server = Server()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
            patch.delenv(name)
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": server.url}.items():
            patch.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        try:
            yield server
        finally:
            S3FileSystem.clear_instance_cache()
            server.stop()


def upload(folder: Path, url: str) -> None:
    """Copy the files of a folder to a URL; a missing bucket is made."""
    from fsspec.core import url_to_fs

    files, base = url_to_fs(url)
    if url.startswith("s3://"):
        with suppress(FileExistsError):
            files.mkdir(base.partition("/")[0])
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files.pipe_file(f"{base}/{path.relative_to(folder).as_posix()}", path.read_bytes())
