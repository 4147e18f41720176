"""Whether what runs keep can be kept, and how much of it there is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stackkit.api import paths
from stackkit.doctor.findings import Finding, State

LITTLE = 10**9
"""Bytes of free disk below which a download or a dataset's features may not fit."""


def folders() -> Iterator[Finding]:
    """The managed folder by a write test, then each folder in it."""
    try:
        home = paths.home()
    except RuntimeError as error:  # "~nobody" and a process without a home folder
        yield _unusable("STACKKIT_HOME", str(error))
        return
    trouble = write_trouble(home)
    if trouble:
        yield _unusable(str(home), trouble)
    else:
        yield Finding(name="home", text=f"{home} can be written", data={"folder": str(home)})
    yield from _disk(home)
    for name, folder in (
        ("datasets", paths.datasets_dir()),
        ("features", paths.features_dir()),
        ("fits", paths.fits_dir()),
        ("engines", paths.engines_dir()),
    ):
        yield _cache(name, folder, may_be_written=bool(trouble) or not write_trouble(folder))


def write_trouble(folder: Path) -> str:
    """Why nothing can be kept in a folder, or ""; it is tried for real, and no trace is left."""
    made: list[Path] = []
    try:
        _make(folder, made)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"stackkit" * 512)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            if file.read() != b"stackkit" * 512:
                return "it gives back other bytes than were written"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    finally:
        for each in reversed(made):
            with suppress(OSError):
                each.rmdir()
    return ""


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder and what is missing above it; `made` tells which also if it fails half way."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make(folder.parent, made)
    folder.mkdir()
    made.append(folder)


def _unusable(what: str, why: str) -> Finding:
    return Finding(
        name="home",
        text=f"{what} cannot be written: {why}",
        state="blocker",
        remedy="set STACKKIT_HOME to a folder that is yours, on a disk with room",
        data={"folder": what},
    )


def _disk(home: Path) -> Iterator[Finding]:
    from rich.filesize import decimal

    there = home.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    usage = shutil.disk_usage(there)
    little = usage.free < LITTLE
    yield Finding(
        name="free disk",
        text=f"{decimal(usage.free)} of {decimal(usage.total)}",
        state="problem" if little else "ok",
        remedy="make room: `stackkit features gc`, `stackkit fits gc`, or move STACKKIT_HOME"
        if little
        else "",
        data={"free_bytes": usage.free, "total_bytes": usage.total},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a folder holds, all levels of it."""

    files: int
    size: int
    unreadable: int


def content(folder: Path) -> Content:
    """Count files and bytes; what cannot be read or vanishes meanwhile is counted apart."""
    files = size = 0
    refused: list[OSError] = []
    for parent, _, names in os.walk(folder, onerror=refused.append):
        for name in names:
            try:
                size += (Path(parent) / name).lstat().st_size
                files += 1
            except OSError as error:
                refused.append(error)
    unreadable = sum(not isinstance(error, FileNotFoundError) for error in refused)
    return Content(files=files, size=size, unreadable=unreadable)


def _cache(name: str, folder: Path, *, may_be_written: bool) -> Finding:
    from rich.filesize import decimal

    held = content(folder)
    text = f"{folder}: {held.files:,} files, {decimal(held.size)}"
    if held.unreadable:
        text += f", {held.unreadable} folders or files in it cannot be read"
    if not may_be_written:
        text += ", cannot be written"
    amiss = bool(held.unreadable) or not may_be_written
    state: State = "problem" if amiss else "ok"
    if name == "features" and not may_be_written:
        state = "blocker"
    return Finding(
        name=name,
        text=text,
        state=state,
        remedy=f"make {folder} yours, or move it away" if amiss else "",
        data={
            "folder": str(folder),
            "files": held.files,
            "bytes": held.size,
            "unreadable": held.unreadable,
            "writable": may_be_written,
        },
    )
