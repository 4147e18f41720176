"""Unpack a tar archive that nobody vouches for: plain files and folders, inside the target only."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from stackkit.api import DatasetError, Reporter


def unpack(archive: Path, target: Path, reporter: Reporter) -> None:
    """Write the members of a .tgz below the empty folder `target`; raises DatasetError or OSError.

    Since only plain files and folders are ever made, no link can lead a later member elsewhere.
    """
    task = f"unpack {archive.name}"
    try:
        with archive.open("rb") as packed, tarfile.open(fileobj=packed, mode="r:gz") as tar:
            reporter.start(task, archive.stat().st_size, unit="bytes")
            done = 0
            for member in tar:
                _write_member(tar, member, target)
                # Progress counts packed bytes: how many files there are is known at the end only.
                reporter.advance(task, packed.tell() - done)
                done = packed.tell()
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{archive} is no whole .tgz archive ({error}); delete it and run fetch again"
        ) from error


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    place = target / _safe_path(member, archive=tar.name)
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # _safe_path let plain files through only
    with content, place.open("wb") as file:
        shutil.copyfileobj(content, file)


def _safe_path(member: tarfile.TarInfo, *, archive: object) -> PurePosixPath:
    path = PurePosixPath(member.name)
    reason = ""
    if not (member.isdir() or member.isfile()):
        reason = "is a link or a device"
    elif PureWindowsPath(member.name).anchor:  # a leading slash, or a drive such as C:
        reason = "has an absolute path"
    elif ".." in path.parts or "\\" in member.name or not member.name.isprintable():
        reason = "has a path that may lead outside"
    if reason:
        raise DatasetError(
            f"plain files and folders are wanted, but {member.name!r} in {archive} {reason}; "
            "nothing was kept; delete the archive and check url= and md5="
        )
    return path
