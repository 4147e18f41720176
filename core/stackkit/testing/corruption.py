"""Corrupt copies of a dataset's files, to see whether its fingerprints change with its images."""

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

MAX_COPY_BYTES = 64 * 1024 * 1024
"""A larger dataset is not copied."""

CHANGED_BYTES = 4
OFFSETS = (0.5, 0.9, 0.3, 0.7, 0.1)
"""How many bytes of a file are changed, and where: as a fraction of the distance between two of them."""


def copied(path: Path, target: Path) -> Path:
    """Copy a file or folder into the new folder `target`; skips the check if it is too large."""
    size = sum(file.stat().st_size for file in _files(path))
    if size > MAX_COPY_BYTES:
        limit = f"{MAX_COPY_BYTES / 1e6:.0f} MB"
        skip(f"{path} has {size / 1e6:.0f} MB, more than {limit}: run this check with a smaller dataset")
    target.mkdir()
    if path.is_file():
        return Path(copy2(path, target))
    return Path(copytree(path, target / path.name))


def changes(copies: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """Yield ways to corrupt the original files: inverted images first, then changed bytes."""
    # Each change starts from the original bytes: several changes at once leave no readable image.
    contents = {file: file.read_bytes() for path in copies for file in _files(path)}
    yield lambda: _invert_images(contents)
    for offset in OFFSETS:
        yield lambda offset=offset: _change_bytes(contents, offset)  # type: ignore[misc]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _invert_images(contents: Mapping[Path, bytes]) -> None:
    """Invert the pixels of all image files, also in archives; names and formats stay."""
    for file, content in contents.items():
        if inverted := _inverted(file.name, content):
            file.write_bytes(inverted)


def _inverted(name: str, content: bytes) -> bytes | None:
    """Return the inverted image, or the archive of inverted images; None if it is neither."""
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            return _inverted_zip(content)
        if tarfile.is_tarfile(io.BytesIO(content)):
            return _inverted_tar(content)
        return _inverted_image(name, content)
    except (OSError, tarfile.TarError, zipfile.BadZipFile):  # it is damaged already
        return None


def _inverted_image(name: str, content: bytes) -> bytes | None:
    form = Image.registered_extensions().get(Path(name).suffix.lower())
    if form not in Image.SAVE:
        return None
    with Image.open(io.BytesIO(content)) as image:
        inverted = ImageOps.invert(image.convert("RGB"))
    target = io.BytesIO()
    inverted.save(target, format=form)
    return target.getvalue()


def _inverted_tar(content: bytes) -> bytes:
    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as old,
        tarfile.open(fileobj=target, mode=_tar_mode(content)) as new,
    ):
        for member in old:
            stream = old.extractfile(member) if member.isfile() else None
            data = stream.read() if stream else b""
            data = _inverted(member.name, data) or data
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target.getvalue()


def _tar_mode(content: bytes) -> Any:
    """Return the mode that compresses as the archive is compressed."""
    signs = {b"\x1f\x8b": "w:gz", b"BZh": "w:bz2", b"\xfd7zXZ": "w:xz"}
    return next((mode for sign, mode in signs.items() if content.startswith(sign)), "w")


def _inverted_zip(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            data = old.read(member)
            new.writestr(member, _inverted(member.filename, data) or data)
    return target.getvalue()


def _change_bytes(contents: Mapping[Path, bytes], offset: float) -> None:
    """Change a few bytes of every file, evenly spread: pixels of an archive or a table of pixels."""
    for file, content in contents.items():
        changed = bytearray(content)
        for number in range(min(CHANGED_BYTES, len(changed))):
            # One bit, so that most formats still decode; a large one, so that a pixel really changes.
            changed[int(len(changed) * (number + offset) / CHANGED_BYTES)] ^= 0x10
        file.write_bytes(changed)
