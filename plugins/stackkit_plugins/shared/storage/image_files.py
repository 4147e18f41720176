"""Read images and their fingerprints from disk and from object storage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api import (
    DatasetError,
    ImageError,
    PixelOptions,
    bytes_fingerprint,
    decode_image,
    file_fingerprint,
    read_image,
)
from stackkit_plugins.shared.storage.listed import Listed, listed, listed_fingerprint
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath

if TYPE_CHECKING:
    from PIL import Image

_PLAIN = PixelOptions()
_REPLACED = "the image was replaced during this run; run again to use the new image"


class ImageFiles:
    """The image files of a dataset. Its methods may be called from several threads.

    Parameters
    ----------
    remote : mapping of RemotePath to Listed
        The objects among them, as they were listed. A remote image is read once: its fingerprint comes
        from the listing.

    """

    def __init__(self, remote: Mapping[RemotePath, Listed]) -> None:
        self._remote = remote
        self._last_read: RemotePath | None = None

    def image(self, place: Location, pixels: PixelOptions = _PLAIN) -> Image.Image:
        """Read an image in mode RGB.

        Raises
        ------
        ImageError
            If this image cannot be read, or was replaced since it was listed.
        DatasetError
            If other images in the same storage cannot be read either.

        """
        if isinstance(place, Path):
            return read_image(place, pixels)
        return decode_image(self._content(place), place.name, pixels)

    def fingerprint(self, place: Location, pixels: PixelOptions = _PLAIN) -> str:
        """Return the fingerprint of an image; raises OSError, and for remote images as `image` does."""
        if isinstance(place, Path):
            return file_fingerprint(place, pixels)
        found = self._remote.get(place)
        if found is not None and found.mark:
            return listed_fingerprint(place, found, pixels)
        return bytes_fingerprint(self._content(place), pixels)

    def _content(self, place: RemotePath) -> bytes:
        found = self._remote.get(place)
        if found is None:
            raise ImageError("the file is missing")
        if found.size == 0:
            return b""
        try:
            content = place.read_bytes(found.size if found.size > 0 else None)
            # The MD5 saves a second request. Where it does not fit, it may be none: see Listed.
            is_as_listed = bool(found.md5) and _md5(content) == found.md5
            if not is_as_listed and found.mark and listed(place.info()).mark != found.mark:
                raise ImageError(_REPLACED)
        except OSError as error:
            self._refuse_if_all_fail(place, error)
            missing = isinstance(error, FileNotFoundError)
            raise ImageError("the file is missing" if missing else str(error)) from error
        self._last_read = place
        return content

    def _refuse_if_all_fail(self, place: RemotePath, error: OSError) -> None:
        """Raise DatasetError if other images cannot be read either.

        Without access, or with a bucket that is gone, every image would fail on its own.
        """
        others = [self._last_read] if self._last_read else self._some(place)
        for other in others:
            try:
                other.read_bytes(1)
            except OSError:
                continue
            return
        if others:
            raise DatasetError(
                f"{place} cannot be read, and neither can other images such as {others[0]}: {error}; "
                "check your credentials and the connection, then run again: finished work is kept"
            ) from error

    def _some(self, place: RemotePath) -> list[RemotePath]:
        """Return up to three other objects of the same storage."""
        same = [
            other
            for other, found in self._remote.items()
            if other.root == place.root and other != place and found.size
        ]
        return [same[at] for at in sorted({0, len(same) // 2, len(same) - 1})] if same else []


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
