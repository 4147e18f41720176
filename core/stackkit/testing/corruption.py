"""Change a dataset's files, so that its fingerprints must follow."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from shutil import copy2, copytree
from typing import Any

from PIL import Image, ImageOps

from stackkit.testing.check import skip

MOST_COPIED = 64 * 1024 * 1024
"""Bytes of a dataset that are copied to change them."""

BYTES = 4
PLACES = (0.5, 0.9, 0.3, 0.7, 0.1)
"""How many bytes of a file are changed, and where between one and the next."""


def copied(path: Path, target: Path) -> Path:
    """A copy of a file or folder in the new folder `target`; skips the promise if it is too large."""
    size = sum(file.stat().st_size for file in _files(path))
    if size > MOST_COPIED:
        skip(f"{path} has {size / 1e6:.0f} MB: give a small dataset to have it copied and changed")
    target.mkdir()
    if path.is_file():
        return Path(copy2(path, target))
    return Path(copytree(path, target / path.name))


def changes(copies: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """Ways to change files, each of which starts from what they were: as images, then byte by byte."""
    contents = {file: file.read_bytes() for path in copies for file in _files(path)}
    yield lambda: _turn_into_negatives(contents)
    for place in PLACES:
        yield lambda place=place: _change_bytes(contents, place)  # type: ignore[misc]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _turn_into_negatives(contents: Mapping[Path, bytes]) -> None:
    """Change the pixels of all image files, also of those in archives; names and forms stay."""
    for file, content in contents.items():
        if negative := _changed(file.name, content):
            file.write_bytes(negative)


def _changed(name: str, content: bytes) -> bytes | None:
    """An image file's negative, an archive of them; None if it is neither."""
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            return _changed_zip(content)
        if tarfile.is_tarfile(io.BytesIO(content)):
            return _changed_tar(content)
        return _negative(name, content)
    except (OSError, tarfile.TarError, zipfile.BadZipFile):  # no whole file; it is left out anyway
        return None


def _negative(name: str, content: bytes) -> bytes | None:
    form = Image.registered_extensions().get(Path(name).suffix.lower())
    if form not in Image.SAVE:
        return None
    with Image.open(io.BytesIO(content)) as image:
        negative = ImageOps.invert(image.convert("RGB"))
    target = io.BytesIO()
    negative.save(target, format=form)
    return target.getvalue()


def _changed_tar(content: bytes) -> bytes:
    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as old,
        tarfile.open(fileobj=target, mode=_tar_mode(content)) as new,
    ):
        for member in old:
            stream = old.extractfile(member) if member.isfile() else None
            whole = stream.read() if stream else b""
            whole = _changed(member.name, whole) or whole
            member.size = len(whole)
            new.addfile(member, io.BytesIO(whole))
    return target.getvalue()


def _tar_mode(content: bytes) -> Any:
    """The mode that compresses as the archive is compressed."""
    signs = {b"\x1f\x8b": "w:gz", b"BZh": "w:bz2", b"\xfd7zXZ": "w:xz"}
    return next((mode for sign, mode in signs.items() if content.startswith(sign)), "w")


def _changed_zip(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            whole = old.read(member)
            new.writestr(member, _changed(member.filename, whole) or whole)
    return target.getvalue()


def _change_bytes(contents: Mapping[Path, bytes], place: float) -> None:
    """Some bytes of every file, evenly spread, as damage to an archive or a table of pixels."""
    for file, content in contents.items():
        changed = bytearray(content)
        for number in range(min(BYTES, len(changed))):
            changed[int(len(changed) * (number + place) / BYTES)] ^= 0x10
        file.write_bytes(changed)
