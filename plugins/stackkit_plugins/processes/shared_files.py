"""Files through which processes share large values: written once, memory-mapped by each process."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from typing import IO, Any

import joblib

from stackkit.api import ExecutorError

_PREFIX = "stackkit-shared-"
_OWNER = "owner"


class SharedFolder:
    """A temporary folder that belongs to this process, and is removed with `close`.

    If the process is killed, the folder stays until the next one of the same user is made, which
    removes it: nobody holds the lock on its file `owner` any more.
    """

    def __init__(self) -> None:
        _remove_leftovers()
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{_user()}-"))
        self._owner = _locked(self.path / _OWNER)

    def write(self, value: Any) -> str:
        """Write a value to a new file, and return the file's path."""
        path = str(self.path / uuid.uuid4().hex)
        try:
            joblib.dump(value, path)
        except Exception as error:
            raise ExecutorError(
                f"a value cannot be written to {self.path} for the processes: "
                f"{type(error).__name__}: {error}; set TMPDIR to a folder with enough space"
            ) from error
        return path

    def remove(self, path: str) -> None:
        """Remove a file; a process that has mapped it still reads it until it forgets it."""
        Path(path).unlink(missing_ok=True)

    def new_folder(self) -> str:
        """Return the path of a new, empty folder."""
        return tempfile.mkdtemp(dir=self.path)

    def close(self) -> None:
        """Remove the folder."""
        self._owner.close()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_leftovers() -> None:
    """Remove the folders of processes that have ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}{_user()}-*"):
        if _is_abandoned(folder / _OWNER):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(owner: Path) -> bool:
    try:
        if sys.platform == "win32":  # a file that is open cannot be removed
            owner.unlink()
            return True
        with owner.open("rb") as file:
            return _try_lock(file)
    except OSError:  # about to be made, just removed, or of another user
        return False


def _locked(owner: Path) -> IO[bytes]:
    """Make the file that says that a folder is in use."""
    if sys.platform == "win32":
        return owner.open("wb")
    # It is locked before it has its name: another process that starts at the same moment would take a
    # folder whose owner is not locked for a leftover.
    made = owner.with_suffix(".new")
    file = made.open("wb")
    _try_lock(file)
    made.rename(owner)
    return file


def _try_lock(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"
