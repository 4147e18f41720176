"""Errors of the feature store, each one line that ends in what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stackkit.api.errors import StoreError
from stackkit.store.shards import shard_named


class DamagedFileError(StoreError):
    """The metadata of a feature file cannot be trusted. Its rows may still be intact."""


class OtherFileError(DamagedFileError):
    """A readable HDF5 file that stackkit did not write."""


class MissingShardError(DamagedFileError):
    """A file that an index joins with others is missing or damaged."""

    @classmethod
    def of(cls, index: Path, name: str, problem: str) -> MissingShardError:
        """Return the error for the file `name`, which the index at `index` joins."""
        shard = shard_named(name)
        number = f" --shard {shard}" if shard else ""
        return cls(
            f"{index.with_name(name)}, shard {shard} of {index.name}, {problem}; run `stackkit extract"
            f"{number}` with the same --dataset and --backbones"
        )


class NewerFormatError(StoreError):
    """A feature file in the format of a newer version of stackkit."""


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Convert errors of the operating system and of HDF5 to a StoreError that says what to do.

    Parameters
    ----------
    path : Path
        The feature file that the block works on; the message begins with it.

    Raises
    ------
    StoreError
        If the block raises OSError or RuntimeError (which h5py uses for failed I/O).

    """
    try:
        yield
    except BlockingIOError as error:  # raised by flock if another process has the lock
        raise StoreError(
            f"{path} is in use by another process, for example another stackkit; wait until it ends"
        ) from error
    except (OSError, RuntimeError) as error:
        raise StoreError(f"{path}: {_advice(error)}; rows that are finished are kept") from error


def _advice(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    # h5py reports a full disk as a RuntimeError or OSError without an error number. EFBIG is the limit
    # on the size of a file (ulimit -f), for which the advice is the same.
    if number in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or "No space left" in str(error):
        return "the disk is full; free some space and run the same command again"
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return (
            f"cannot be written ({reason}); choose another folder with --store or "
            "STACKKIT_HOME, or use `stackkit evaluate`, which only reads"
        )
    return f"cannot be used ({reason}); check the folder, or set STACKKIT_HOME to another one"
