"""What takes the place of a dataset's files and of its server, so that both may be tampered with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy2, copytree
from threading import Thread
from typing import Any

from PIL import Image, ImageOps

from stackkit.testing.promise import skip

MOST_COPIED = 64 * 1024 * 1024
"""Bytes of a dataset that are copied to change them."""


BYTES = 4
PLACES = (0.5, 0.9, 0.3, 0.7, 0.1)
"""How many bytes of a file are changed, and where between one and the next."""


def copied(path: Path, target: Path) -> Path:
    """A copy of a file or folder in the new folder `target`; skips the promise if it is too large."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    if size > MOST_COPIED:
        skip(f"{path} has {size / 1e6:.0f} MB: give a small dataset to have it copied and changed")
    target.mkdir()
    if path.is_file():
        return Path(copy2(path, target))
    return Path(copytree(path, target / path.name))


def changes(copies: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """Ways to change a dataset's files, one after the other: as images, then byte by byte.

    Before each but the first, what the last one did to bytes is undone.
    """
    files = [file for path in copies for file in _files(path)]
    yield lambda: turn_into_negatives(files)
    contents = {file: file.read_bytes() for file in files}
    for place in PLACES:
        yield lambda place=place: _change_bytes(contents, place)  # type: ignore[misc]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _change_bytes(contents: Mapping[Path, bytes], place: float) -> None:
    """Some bytes of every file, evenly spread, as damage to an archive or a table of pixels."""
    for file, content in contents.items():
        changed = bytearray(content)
        for number in range(min(BYTES, len(changed))):
            changed[int(len(changed) * (number + place) / BYTES)] ^= 0x10
        file.write_bytes(changed)


def turn_into_negatives(files: Sequence[Path]) -> None:
    """Change the pixels of all image files, their names and forms left as they are."""
    suffixes = Image.registered_extensions()
    for file in files:
        if (form := suffixes.get(file.suffix.lower())) in Image.SAVE:
            try:
                with Image.open(file) as image:
                    negative = ImageOps.invert(image.convert("RGB"))
            except OSError:  # no whole image; the dataset leaves it out too
                continue
            negative.save(file, format=form)


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
