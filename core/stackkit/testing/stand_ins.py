"""What takes the place of a dataset's files and of its server, so that both may be tampered with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy2, copytree
from threading import Thread

from PIL import Image, ImageOps

from stackkit.testing.promise import skip

MOST_COPIED = 64 * 1024 * 1024
"""Bytes of a dataset that are copied to change them."""


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


def turn_into_negatives(folder: Path) -> None:
    """Change the pixels of all image files, their names and forms left as they are."""
    suffixes = Image.registered_extensions()
    files = [folder] if folder.is_file() else [file for file in folder.rglob("*") if file.is_file()]
    for file in files:
        if (form := suffixes.get(file.suffix.lower())) in Image.SAVE:
            try:
                with Image.open(file) as image:
                    negative = ImageOps.invert(image.convert("RGB"))
            except OSError:  # no whole image; the dataset leaves it out too
                continue
            negative.save(file, format=form)


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
