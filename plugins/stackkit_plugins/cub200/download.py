"""Download one large file so that nothing is fetched twice and nothing false is kept."""

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
_TIMEOUT = (10, 60)  # seconds to connect, and between two arrivals of data
_WORTH_A_FRESH_COUNT = 8 << 20  # so many new bytes make up for earlier failures
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class _Lost(Exception):  # noqa: N818 - an event of the retry loop, never seen by users
    """The connection broke; what arrived stays in the .part file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file at `url` that ends up at `target` once its MD5 is `md5`.

    Until then bytes gather in `target`.part, beside `target`.json, which says what they are of.
    """

    url: str
    md5: str
    target: Path
    reporter: Reporter
    pauses: tuple[float, ...] = (0.5, 1, 2, 4)
    """Seconds to wait before each further try."""

    def run(self) -> Path:
        """Return the verified file, downloading only what is not there yet; raises DatasetError."""
        self._check_options()
        if self.target.exists():
            if md5_of(self.target) == self.md5.lower():
                return self.target
            self.reporter.message(f"{self.target} has another MD5 than {self.md5}: downloading it anew")
            self.target.unlink()
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._receive_all()
        self._accept()
        return self.target

    @property
    def part(self) -> Path:
        """Where the bytes gather."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def _state(self) -> Path:
        return self.target.with_name(self.target.name + ".json")

    @property
    def _task(self) -> str:
        return f"download {self.target.name}"

    def _check_options(self) -> None:
        if not re.fullmatch(r"[0-9a-fA-F]{32}", self.md5):
            raise UsageError(f"md5={self.md5}: 32 hexadecimal digits are wanted")
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise UsageError(
                f"url={self.url}: an address that starts with https:// or http:// is wanted"
            )

    def _receive_all(self) -> None:
        failures, most = 0, self._size()
        while True:
            try:
                return self._receive()
            except _Lost as error:
                failures += 1
                if self._size() >= most + _WORTH_A_FRESH_COUNT:
                    failures, most = 1, self._size()
                if failures > len(self.pauses):
                    raise DatasetError(
                        f"{self.url} failed {failures} times, at last with: {error}; {self._size():,} "
                        f"bytes are kept in {self.part}; run fetch again to go on from there"
                    ) from error
                time.sleep(self.pauses[failures - 1])

    def _receive(self) -> None:
        """One request; returns when the server has sent the end of the file."""
        offset = self._size() if self._known().get("url") == self.url else 0
        with contextlib.closing(self._get(offset)) as response:
            if response.status_code == 416 and offset:
                return self._settle_416(response, offset)
            if response.status_code not in (200, 206):
                self._refuse(response)
            if response.status_code == 200 or not offset:
                self._begin(response)
            elif not self._continues(response, offset):
                self._changed()
            return self._append(response)

    def _get(self, offset: int) -> requests.Response:
        # Another encoding than identity would count, and check, other bytes than the file's.
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            identity = self._known()["identity"]
            if identity and not identity.startswith("W/"):  # If-Range takes no weak ETag
                headers["If-Range"] = identity
        try:
            return requests.get(self.url, headers=headers, stream=True, timeout=_TIMEOUT)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise UsageError(f"url={self.url}: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _Lost(_one_line(error)) from error

    def _continues(self, response: requests.Response, offset: int) -> bool:
        # A server that was sent If-Range may leave its Last-Modified out of the answer.
        same = _identity(response) in ("", self._known()["identity"])
        return same and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")

    def _settle_416(self, response: requests.Response, offset: int) -> None:
        """Nothing lies behind `offset`: the file is either whole or not the one it was."""
        if response.headers.get("Content-Range", "").rpartition("/")[2] != str(offset):
            self._changed()

    def _changed(self) -> NoReturn:
        self._forget()
        raise _Lost("the file changed on the server")

    def _refuse(self, response: requests.Response) -> NoReturn:
        what = f"{response.status_code} {response.reason}"
        if response.status_code in _TRANSIENT:
            raise _Lost(what)
        raise DatasetError(f"{self.url} answers {what}; check url=, or save the file as {self.target}")

    def _begin(self, response: requests.Response) -> None:
        # The old bytes go first: they must never meet the new identity.
        self._forget()
        self._state.write_text(json.dumps({"url": self.url, "identity": _identity(response)}))

    def _append(self, response: requests.Response) -> None:
        offset, length = self._size(), response.raw.length_remaining or 0
        self.reporter.start(self._task, offset + length, done=offset, unit="bytes")
        received = 0
        with self.part.open("ab", buffering=0) as file:
            for chunk in _chunks(response):
                _write(file, chunk)
                received += len(chunk)
                self.reporter.advance(self._task, len(chunk))
        if received < length:  # urllib3 1 takes a connection closed early for the end
            raise _Lost(f"{received} of {length} bytes came")

    def _accept(self) -> None:
        got = md5_of(self.part)
        if got != self.md5.lower():
            size = self._size()
            self._forget()
            raise DatasetError(
                f"{self.url} gave {size:,} bytes with MD5 {got}, {self.md5.lower()} is wanted; "
                f"they were deleted; run fetch again, or correct url= or md5="
            )
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
            return {}  # absent or torn: the bytes are of unknown origin


def md5_of(file: Path) -> str:
    """The MD5 of a file, 32 lower-case digits: the publisher's checksum, no protection."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            yield chunk
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Lost(_one_line(error)) from error


def _write(file: BinaryIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:  # an unbuffered write may take less than all
        view = view[file.write(view) :]


def _identity(response: requests.Response) -> str:
    """A text that changes with the file on the server, or "" if the server gives none."""
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
