"""Write files so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def temporary_path(target: Path) -> Path:
    """Return an unused hidden path beside `target`, on the same file system.

    The name is `.NAME.RANDOM`, so that leftovers of killed processes can be found by `.NAME.*`.
    """
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}")


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename it to `target` if the block succeeds.

    Parameters
    ----------
    target : Path
        The file to create or replace. Its folder must exist.

    Yields
    ------
    Path
        A path beside `target` to write to. It is removed if the block fails.

    Raises
    ------
    OSError
        If the file cannot be renamed.

    """
    temporary = temporary_path(target)
    try:
        yield temporary
        # Renaming within one folder is atomic: readers see the old file or the whole new one.
        temporary.replace(target)
    finally:
        with suppress(OSError):  # the error of the block matters more than a leftover file
            temporary.unlink(missing_ok=True)


def require_writable(target: Path) -> None:
    """Raise OSError if no file can be created beside `target`.

    Permissions alone do not tell: root may write anywhere, except on read-only file systems.
    """
    trial = temporary_path(target)
    trial.touch()
    trial.unlink()


def nearest_existing_parent(path: Path) -> Path:
    """Return `path` if it exists, else the nearest folder above it that does."""
    path = path.absolute()
    while not os.path.lexists(path) and path != path.parent:  # Path.exists may raise PermissionError
        path = path.parent
    return path
