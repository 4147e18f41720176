"""Download CUB-200-2011, verify it, unpack it beside its destination, and rename it when complete."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from stackkit.api import DatasetError, Reporter, UsageError, datasets_dir
from stackkit_plugins.cub200.dataset import FOLDER, Cub200, locate
from stackkit_plugins.cub200.download import Download
from stackkit_plugins.cub200.unpack import unpack
from stackkit_plugins.shared.storage.remote_path import RemotePath


def fetch(*, root: str | None, limit: int | None, url: str, md5: str, reporter: Reporter) -> Path:
    """Download and unpack the dataset unless it is there already.

    Parameters
    ----------
    root : str or None
        Destination folder; None means the default folder.
    limit : int or None
        Ignored: the archive is always unpacked completely.
    url, md5 : str
        Address and expected MD5 of the archive.
    reporter : Reporter
        Gets the progress in bytes.

    Returns
    -------
    Path
        The folder of the complete dataset. The archive is deleted.

    Raises
    ------
    DatasetError
        If the download, the archive or the disk fails. An interrupted download is resumed by the
        next call.

    """
    folder, downloads = _folder(root), datasets_dir() / "downloads"
    try:
        if not _is_complete(folder):
            # Checked again under the lock, where another process may just have finished.
            with _exclusive(downloads):
                _download_and_install(folder, downloads, url, md5, reporter)
    except OSError as error:
        raise DatasetError(
            f"fetching CUB-200-2011 failed at {error.filename or folder}: {error.strerror or error}; "
            f"downloaded data are kept in {downloads}; fix this (2.4 GB are needed) or set "
            "STACKKIT_HOME to another folder, and run fetch again"
        ) from error
    return folder


def _folder(root: str | None) -> Path:
    folder = locate(root)
    if isinstance(folder, RemotePath):
        raise UsageError(
            f"cub200: root= must be a folder to fetch into, got {folder}; run fetch without root=, then "
            "upload the unpacked folder"
        )
    return folder


def _download_and_install(folder: Path, downloads: Path, url: str, md5: str, reporter: Reporter) -> None:
    if _is_complete(folder):
        return  # another fetch finished between the first check and the lock
    archive = downloads / f"{FOLDER}.tgz"
    Download(url=url, md5=md5, target=archive, reporter=reporter).run()
    _install(archive, folder, reporter)
    archive.unlink()
    reporter.message(f"CUB-200-2011 is in {folder}; the archive was deleted")


def _is_complete(folder: Path) -> bool:
    """Return False for a missing or empty folder; raise DatasetError if it contains anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        _check_complete(folder)
    except DatasetError as error:
        raise DatasetError(
            f"{folder} is not a complete CUB-200-2011 and was not changed: {error}; move it away, or "
            "pass a new folder as root="
        ) from error
    return True


def _check_complete(folder: Path) -> None:
    dataset = Cub200(folder)
    if dataset.missing:
        raise DatasetError(
            f"{len(dataset.missing)} of {len(dataset.samples)} listed images are missing or empty, "
            f"for example {dataset.missing[0]}"
        )


def _install(archive: Path, folder: Path, reporter: Reporter) -> None:
    """Unpack beside `folder`, check and rename, so that `folder` never contains a partial dataset."""
    # Beside the destination, as a rename is atomic only within one file system.
    staging = folder.with_name(f".{folder.name}.unpacking")
    if staging.exists():  # an earlier fetch was killed here
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    try:
        unpack(archive, staging, reporter)
        unpacked = staging / FOLDER
        try:
            _check_complete(unpacked)
        except DatasetError as error:
            raise DatasetError(
                f"{archive} is not a complete CUB-200-2011: {error}; delete it and check url= and md5="
            ) from error
        _keep_attribute_names(staging)
        if folder.exists():
            # It is empty, or `_is_complete` would have refused it. Windows cannot rename onto a folder.
            folder.rmdir()
        unpacked.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _keep_attribute_names(staging: Path) -> None:
    # The archive has this one file beside the dataset's folder; move it in, so that it is not lost.
    stray = staging / "attributes.txt"
    if stray.is_file():
        stray.rename(staging / FOLDER / stray.name)


@contextlib.contextmanager
def _exclusive(downloads: Path) -> Iterator[None]:
    """Refuse a second fetch at the same time.

    A file lock and not a marker file: the operating system releases the lock of a killed process.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    with (downloads / f"{FOLDER}.lock").open("wb") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatasetError(
                    f"another fetch of CUB-200-2011 is writing to {downloads}; wait until it is done"
                ) from None
        yield
