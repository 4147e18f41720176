"""What can be wrong with a file of the store, each said in one line that ends in what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stackkit.api.errors import StoreError


class DamagedFileError(StoreError):
    """A file's description of itself cannot be trusted; its rows may still be sound."""


class OtherFileError(DamagedFileError):
    """A readable HDF5 file that stackkit did not write."""


class NewerFormatError(StoreError):
    """A file of a stackkit that is newer than this one."""


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's and HDF5's errors into one line that says what to do."""
    try:
        yield
    except BlockingIOError as error:
        raise StoreError(
            f"{path} is in use by another process, such as another stackkit; wait for it to end"
        ) from error
    except (OSError, RuntimeError) as error:
        raise StoreError(f"{path}: {_advice(error)}; rows finished so far are kept") from error


def _advice(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or "No space left" in str(error):
        return "the disk is full; free some space and run the same command again"
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return (
            f"cannot be written ({_reason(error)}); name another folder with --store, or use "
            "`stackkit evaluate`, which only reads"
        )
    return f"cannot be used ({_reason(error)}); check the folder or set STACKKIT_HOME to another one"


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
