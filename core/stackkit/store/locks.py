"""One writer per file, on file systems that have locks; readers need none.

The lock is the one that HDF5 itself takes (flock), so that h5py's writers respect ours.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

if sys.platform != "win32":
    import fcntl

QUIET_S = 86_400.0
"""Where locks do not exist, a file that changed within this time counts as in use."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def lock(file: FileIO) -> bool:
    """Hold a file until it is closed or this process ends, however that happens.

    Raises BlockingIOError if another process holds it; returns False where the file system has
    no locks, such as some network file systems.
    """
    if sys.platform == "win32":  # which refuses to replace or remove an open file anyway
        return False
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Keep others from writing a file meanwhile; yields whether there is one.

    Raises BlockingIOError if another process holds it.
    """
    try:
        file = path.open("r+b", buffering=0)
    except FileNotFoundError:
        yield False
        return
    with file:
        lock(file)
        yield True


def require_unlocked(path: Path) -> None:
    """Raise BlockingIOError if another process holds a file."""
    with path.open("r+b", buffering=0) as file:
        lock(file)


def is_idle(path: Path) -> bool:
    """Whether nobody writes a file as far as can be told; False if that may not be asked."""
    with suppress(OSError), path.open("r+b", buffering=0) as file:
        return _nobody_writes(file, path)
    return False


def remove_idle(path: Path) -> bool:
    """Remove a file that nobody writes; False if it is in use or not ours to remove."""
    with suppress(OSError), path.open("r+b", buffering=0) as file:
        if _nobody_writes(file, path):
            path.unlink()  # while it is held, so that no writer slips in
            return True
    return False


def _nobody_writes(file: FileIO, path: Path) -> bool:
    """Whether the lock is ours now; where there are none, whether the file is long unchanged."""
    return lock(file) or time.time() - path.stat().st_mtime > QUIET_S
