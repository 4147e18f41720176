"""Download one large file: resume after interruptions, verify the MD5, keep nothing that is wrong."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from stackkit.api import DatasetError, Reporter, UsageError

_CHUNK = 1 << 16
_TIMEOUT = (10, 60)  # seconds to connect, and to wait for more data
# A slow connection that breaks again and again still gets there: after this many new bytes, failures
# are counted from one again.
_PROGRESS_BYTES = 8 << 20
# Status codes worth another try: timeouts, too many requests, server trouble.
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class _TransferFailedError(Exception):
    """One request failed and may be retried; received bytes stay in the .part file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A resumable download of one file.

    Received bytes are collected in `TARGET.part`. `TARGET.json` beside it records the URL and the
    server's ETag or Last-Modified header, so that only bytes of the same file are continued. The
    part is renamed to `target` after its MD5 was verified, so `target` is always complete.

    Parameters
    ----------
    url : str
        Starts with http:// or https://.
    md5 : str
        Expected MD5, 32 hexadecimal digits.
    target : Path
        Where the file goes; its folder is created.
    reporter : Reporter
        Gets the progress in bytes.
    pauses : tuple of float
        Seconds to wait before each retry; their number is the number of retries.

    """

    url: str
    md5: str
    target: Path
    reporter: Reporter
    pauses: tuple[float, ...] = (0.5, 1, 2, 4)

    def run(self) -> Path:
        """Download what is missing and return the verified file.

        Raises
        ------
        DatasetError
            If the server refuses, all retries fail, or the MD5 differs.
        UsageError
            If `url` or `md5` is malformed.

        """
        self._check_options()
        if self.target.exists():
            # `target` was verified when it was written, but the user may ask for another MD5 now, or
            # have put a file there by hand.
            if md5_of(self.target) == self.md5.lower():
                return self.target
            self.reporter.message(f"{self.target} does not have MD5 {self.md5}: downloading it again")
            self.target.unlink()
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._receive_all()
        self._accept()
        return self.target

    @property
    def part(self) -> Path:
        """The file that received bytes are appended to."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def _state(self) -> Path:
        return self.target.with_name(self.target.name + ".json")

    @property
    def _task(self) -> str:
        return f"download {self.target.name}"

    def _check_options(self) -> None:
        if not re.fullmatch(r"[0-9a-fA-F]{32}", self.md5):
            raise UsageError(f"md5 must be 32 hexadecimal digits, got {self.md5!r}")
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise UsageError(f"url must start with https:// or http://, got {self.url!r}")

    def _receive_all(self) -> None:
        failures, most = 0, self._size()
        while True:
            try:
                return self._receive()
            except _TransferFailedError as error:
                failures += 1
                if self._size() >= most + _PROGRESS_BYTES:
                    failures, most = 1, self._size()
                if failures > len(self.pauses):
                    raise DatasetError(
                        f"{self.url} failed {failures} times, last error: {error}; {self._size():,} "
                        f"bytes are kept in {self.part}; run fetch again to resume"
                    ) from error
                time.sleep(self.pauses[failures - 1])

    def _receive(self) -> None:
        """Send one request; returns once the server has sent the end of the file."""
        # Another URL may be another edition of the file: resume only what came from this one.
        offset = self._size() if self._known().get("url") == self.url else 0
        with contextlib.closing(self._get(offset)) as response:
            if response.status_code == 416 and offset:
                return self._handle_416(response, offset)
            if response.status_code not in (200, 206):
                self._refuse(response)
            # 200 to a range request means that the server sends the whole file: it does not support
            # ranges, or If-Range told it that the file has changed.
            if response.status_code == 200 or not offset:
                self._begin(response)
            elif not self._continues(response, offset):
                self._changed()
            return self._append(response)

    def _get(self, offset: int) -> requests.Response:
        # A compressed transfer would have other offsets and another MD5 than the file.
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            identity = self._known()["identity"]
            # If-Range makes the server send the whole file if it has changed. The HTTP standard does not
            # allow a weak ETag there.
            if identity and not identity.startswith("W/"):
                headers["If-Range"] = identity
        try:
            return requests.get(self.url, headers=headers, stream=True, timeout=_TIMEOUT)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise UsageError(f"url is invalid, got {self.url!r}: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _TransferFailedError(_one_line(error)) from error

    def _continues(self, response: requests.Response, offset: int) -> bool:
        # A response to If-Range may omit the Last-Modified header, so an empty identity counts as same.
        same = _identity(response) in ("", self._known()["identity"])
        return same and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")

    def _handle_416(self, response: requests.Response, offset: int) -> None:
        """Handle "range not satisfiable": the file ends at `offset` or has changed."""
        if response.headers.get("Content-Range", "").rpartition("/")[2] != str(offset):
            self._changed()

    def _changed(self) -> NoReturn:
        self._forget()
        raise _TransferFailedError("the file changed on the server")

    def _refuse(self, response: requests.Response) -> NoReturn:
        what = f"{response.status_code} {response.reason}"
        if response.status_code in _TRANSIENT:
            raise _TransferFailedError(what)
        raise DatasetError(f"{self.url} returned {what}; check url=, or save the file as {self.target}")

    def _begin(self, response: requests.Response) -> None:
        # Delete the old bytes before recording the new identity. In the other order, a process killed
        # in between would leave old bytes under the new identity.
        self._forget()
        self._state.write_text(json.dumps({"url": self.url, "identity": _identity(response)}))

    def _append(self, response: requests.Response) -> None:
        offset, length = self._size(), response.raw.length_remaining or 0
        self.reporter.start(self._task, offset + length, done=offset, unit="bytes")
        received = 0
        # Unbuffered, so that a killed process loses at most the chunk in flight.
        with self.part.open("ab", buffering=0) as file:
            for chunk in _chunks(response):
                _write(file, chunk)
                received += len(chunk)
                self.reporter.advance(self._task, len(chunk))
        if received < length:  # urllib3 1 reports a connection closed early as the end
            raise _TransferFailedError(f"received {received} of {length} bytes")

    def _accept(self) -> None:
        got = md5_of(self.part)
        if got != self.md5.lower():
            size = self._size()
            self._forget()
            raise DatasetError(
                f"{self.url} returned {size:,} bytes with MD5 {got}, expected {self.md5.lower()}; "
                f"they were deleted; run fetch again, or correct url= or md5="
            )
        # Flushed before the rename, so that a power failure cannot leave a short file at `target`.
        with self.part.open("rb+") as file:
            os.fsync(file.fileno())
        self.part.replace(self.target)
        self._state.unlink(missing_ok=True)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def _known(self) -> dict[str, str]:
        try:
            state = json.loads(self._state.read_text())
            return {"url": str(state["url"]), "identity": str(state["identity"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # missing or cut short: received bytes cannot be attributed to a file


def md5_of(file: Path) -> str:
    """Return the MD5 of a file in 32 lower-case digits.

    It is the checksum that the publisher gives. It detects damage, not manipulation.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        # `raw`, as requests' own iterator would decompress a body with a Content-Encoding.
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            yield chunk
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _TransferFailedError(_one_line(error)) from error


def _write(file: BinaryIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:  # an unbuffered write may write only a part
        view = view[file.write(view) :]


def _identity(response: requests.Response) -> str:
    """Return a text that changes with the file on the server, or "" if the server sends none."""
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
