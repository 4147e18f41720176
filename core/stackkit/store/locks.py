"""Allow one writer per file, on file systems that have locks; readers need no lock.

The lock is flock, which HDF5 itself takes, so other programs that open the file with h5py respect it.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from stackkit.utils.files import temporary_path

if sys.platform != "win32":
    import fcntl

QUIET_S = 86_400.0
"""On file systems without locks, a file that changed within this time counts as in use (seconds)."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def lock(file: FileIO) -> bool:
    """Lock a file until it is closed or this process ends, even if the process is killed.

    Parameters
    ----------
    file : FileIO
        An open file. The lock belongs to the file and not to its name: after a rename it still holds.

    Returns
    -------
    bool
        False if the file system has no locks, which is the case for some network file systems.

    Raises
    ------
    BlockingIOError
        If another process has the lock.

    """
    if sys.platform == "win32":  # Windows does not let an open file be replaced or removed anyway
        return False
    try:
        # Without waiting: a second writer should report the file at once, not seem to hang for hours.
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock the file at `path` during the block; yields whether there is one.

    Raises BlockingIOError if another process has the lock.
    """
    try:
        # Open for writing although nothing is written: network file systems require it for this lock.
        file = path.open("r+b", buffering=0)
    except FileNotFoundError:
        yield False
        return
    with file:
        lock(file)
        yield True


@contextmanager
def locked_temporary(target: Path) -> Iterator[tuple[Path, FileIO]]:
    """Create an empty file beside `target`, yield its path and itself, and remove it if it is left.

    It is locked, so that no other process takes it for a leftover, see `remove_idle`. One that did so
    before the lock has removed it: then another one is created. HDF5 would otherwise write to a second
    file of the same name.
    """
    temporary, file = _created(target)
    try:
        with file:
            yield temporary, file
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _created(target: Path) -> tuple[Path, FileIO]:
    while True:
        temporary = temporary_path(target)
        file = temporary.open("x+b", buffering=0)
        with suppress(BlockingIOError):
            lock(file)
            if temporary.exists():
                return temporary, file
        file.close()


def require_unlocked(path: Path) -> None:
    """Raise BlockingIOError if another process has locked the file."""
    with path.open("r+b", buffering=0) as file:
        lock(file)


def is_idle(path: Path) -> bool:
    """Return whether no process is writing the file, as far as can be determined.

    Returns False for a file that may not be opened for writing.
    """
    with suppress(OSError), path.open("r+b", buffering=0) as file:
        return _has_no_writer(file, path)
    return False


def remove_idle(path: Path) -> bool:
    """Remove a file that no process is writing; return whether it was removed."""
    with suppress(OSError), path.open("r+b", buffering=0) as file:
        if _has_no_writer(file, path):
            # Under the lock: a writer that opened the file in between would write into a file that no
            # longer has a name, and all its rows would be lost.
            path.unlink()
            return True
    return False


def _has_no_writer(file: FileIO, path: Path) -> bool:
    # Raises BlockingIOError, an OSError, if another process has the lock; callers take it for "in use".
    return lock(file) or time.time() - path.stat().st_mtime > QUIET_S
