"""What a listing says about an object, and the fingerprint that follows from it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from stackkit.api import PixelOptions
from stackkit_plugins.shared.storage.remote_path import RemotePath

_MD5 = re.compile(r"[0-9a-f]{32}")
_TIMES = ("LastModified", "last_modified", "updated", "modified", "mtime", "Last-Modified", "created")
_OF_MD5 = "md5 "
_PLAIN = PixelOptions()


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as it was when it was listed.

    Attributes
    ----------
    size : int
        Bytes; -1 if unknown.
    mark : str
        A text that changes whenever the content does: an MD5, a generation, an ETag, or size and time.
        "" if the storage tells none of them.

    """

    size: int
    mark: str

    @property
    def md5(self) -> str:
        """The MD5 of the content in hexadecimal digits, or "".

        Objects that S3 encrypts with keys of KMS have ETags that only look like one.
        """
        return self.mark.removeprefix(_OF_MD5) if self.mark.startswith(_OF_MD5) else ""


def listed(info: Mapping[str, Any]) -> Listed:
    """Read the entry of an object in a listing of fsspec, whichever package it is from."""
    size = info.get("size")
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    md5 = etag if _MD5.fullmatch(etag) else _of_google(info)
    if md5:
        mark = f"{_OF_MD5}{md5}"
    elif generation := info.get("generation"):
        mark = f"generation {generation}"
    elif etag:
        mark = f"etag {etag}"
    else:
        time = next((info[name] for name in _TIMES if info.get(name)), None)
        mark = f"{size} bytes, {_shown(time)}" if time is not None else ""
    return Listed(size=-1 if size is None else int(size), mark=mark)


def _of_google(info: Mapping[str, Any]) -> str:
    return base64.b64decode(info["md5Hash"]).hex() if info.get("md5Hash") else ""


def _shown(time: object) -> str:
    # Listings of one file system may have a number where a single object has a date.
    seconds = time.timestamp() if isinstance(time, datetime) else time
    return f"{seconds:.6f}" if isinstance(seconds, float | int) else str(seconds)


def listed_fingerprint(place: RemotePath, found: Listed, pixels: PixelOptions) -> str:
    """Return the fingerprint of an object that has a mark.

    Parameters
    ----------
    place : RemotePath
        Where the object is. Marks other than an MD5 may be those of another object, too.
    found : Listed
        How it was listed.
    pixels : PixelOptions
        How its pixels are read. Which images they change is not known without reading them, so they
        change the fingerprints of all.

    Returns
    -------
    str
        "remote-" and 32 hexadecimal digits. Objects with equal MD5s have equal fingerprints.

    """
    text = found.mark if found.md5 else f"{found.mark} {place}"
    return "remote-" + hashlib.blake2b((text + _changes(pixels)).encode(), digest_size=16).hexdigest()


@lru_cache
def _changes(pixels: PixelOptions) -> str:
    plain = asdict(_PLAIN)
    changed = [f"{name}={value}" for name, value in asdict(pixels).items() if value != plain[name]]
    return "".join(f"\n{each}" for each in changed)
