"""Bring CUB-200-2011 onto this machine: download, verify, unpack aside, and only then put in place."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from stackkit.api import DatasetError, Reporter, datasets_dir
from stackkit_plugins.cub200.dataset import FOLDER, Cub200, locate
from stackkit_plugins.cub200.download import Download
from stackkit_plugins.cub200.unpack import unpack


def fetch(*, root: str | None, limit: int | None, url: str, md5: str, reporter: Reporter) -> Path:
    """Return the folder of the whole dataset, at `root` or by default in the managed place.

    Does nothing if it is there already; goes on where an interrupted download stopped. The
    archive is deleted once its content is in place. Raises DatasetError; `limit` is ignored.
    """
    folder, downloads = locate(root), datasets_dir() / "downloads"
    try:
        if not _is_whole(folder):
            with _alone(downloads):
                _bring(folder, downloads, url, md5, reporter)
    except OSError as error:
        raise DatasetError(
            f"fetching CUB-200-2011 stopped at {error.filename or folder}: {error.strerror or error}; "
            f"what was downloaded is kept in {downloads}; mend that (2.4 GB of room) and run fetch again"
        ) from error
    return folder


def _bring(folder: Path, downloads: Path, url: str, md5: str, reporter: Reporter) -> None:
    if _is_whole(folder):
        return  # another fetch ended between the first look and the lock
    archive = downloads / f"{FOLDER}.tgz"
    Download(url=url, md5=md5, target=archive, reporter=reporter).run()
    _install(archive, folder, reporter)
    archive.unlink()
    reporter.message(f"CUB-200-2011 is in {folder}; its archive was deleted")


def _is_whole(folder: Path) -> bool:
    """False for a new or empty folder; raises DatasetError for one that holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        _check_whole(folder)
    except DatasetError as error:
        raise DatasetError(
            f"{folder} is no whole CUB-200-2011 and was left as it is: {error}; move it away, or give a "
            "new folder as root="
        ) from error
    return True


def _check_whole(folder: Path) -> None:
    dataset = Cub200(folder)
    if dataset.missing:
        raise DatasetError(
            f"{len(dataset.missing)} of {len(dataset.samples)} listed images are missing or empty, "
            f"such as {dataset.missing[0]}"
        )


def _install(archive: Path, folder: Path, reporter: Reporter) -> None:
    """Unpack beside `folder`, check, and rename: it never holds less than the whole dataset."""
    staging = folder.with_name(f".{folder.name}.unpacking")
    if staging.exists():  # an earlier fetch was killed here
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    try:
        unpack(archive, staging, reporter)
        unpacked = staging / FOLDER
        try:
            _check_whole(unpacked)
        except DatasetError as error:
            raise DatasetError(
                f"{archive} is no whole CUB-200-2011: {error}; delete it and check url= and md5="
            ) from error
        _keep_attribute_names(staging)
        if folder.exists():
            folder.rmdir()  # empty, or it would have been refused; Windows renames onto no folder
        unpacked.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _keep_attribute_names(staging: Path) -> None:
    # The archive has this one file beside the dataset's folder, where nothing else would find it.
    stray = staging / "attributes.txt"
    if stray.is_file():
        stray.rename(staging / FOLDER / stray.name)


@contextlib.contextmanager
def _alone(downloads: Path) -> Iterator[None]:
    """Refuse a second fetch at the same time; the system frees the lock of a killed process."""
    downloads.mkdir(parents=True, exist_ok=True)
    with (downloads / f"{FOLDER}.lock").open("wb") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatasetError(
                    f"another fetch of CUB-200-2011 is writing to {downloads}; wait until it has ended"
                ) from None
        yield
