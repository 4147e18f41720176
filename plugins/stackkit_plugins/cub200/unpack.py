"""Unpack an untrusted tar archive: plain files and folders only, and only within the target."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from stackkit.api import DatasetError, Reporter


def unpack(archive: Path, target: Path, reporter: Reporter) -> None:
    """Write the members of a .tgz archive below an empty folder.

    Modes and owners of the archive are ignored. Only plain files and folders are created, so no
    link can redirect a later member to another place.

    Parameters
    ----------
    archive : Path
        The .tgz file.
    target : Path
        An empty folder.
    reporter : Reporter
        Gets the progress in bytes of the archive.

    Raises
    ------
    DatasetError
        If the archive is damaged, or has a link, a device, or a path that leads outside.
    OSError
        If a file cannot be written.

    """
    task = f"unpack {archive.name}"
    try:
        with archive.open("rb") as packed, tarfile.open(fileobj=packed, mode="r:gz") as tar:
            reporter.start(task, archive.stat().st_size, unit="bytes")
            done = 0
            for member in tar:
                _write_member(tar, member, target)
                # Progress counts compressed bytes, since the number of files is known only at the end.
                reporter.advance(task, packed.tell() - done)
                done = packed.tell()
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{archive} is not a complete .tgz archive ({error}); delete it and run fetch again"
        ) from error


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    place = target / _safe_path(member, archive=tar.name)
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # `_safe_path` accepts plain files only
    with content, place.open("wb") as file:
        shutil.copyfileobj(content, file)


def _safe_path(member: tarfile.TarInfo, *, archive: object) -> PurePosixPath:
    """Return the path of a plain file or folder; raise DatasetError for any other member.

    Stricter than `tarfile.data_filter`, which not all supported versions of Python have, and which
    repairs some paths where the whole archive should be refused.
    """
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
            f"expected plain files and folders, but {member.name!r} in {archive} {reason}; "
            "nothing was kept; delete the archive and check url= and md5="
        )
    return path
