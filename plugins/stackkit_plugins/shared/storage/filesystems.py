"""Reach object storage through fsspec, and say in one line why it cannot be reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stackkit.api import DatasetError, UsageError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""The extra of stackkit with the package that reads URLs of a scheme."""
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs"}

_PASSWORD = re.compile(r"//[^/@\s]*@")
_LONGEST = 300


class StorageError(OSError):
    """Object storage refuses access or is not reached. The text is the reason, in one line."""


def filesystem(root: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path of the URL in it.

    Call this function each time: fsspec caches file systems by process, and by thread where they cannot
    be shared. One that is kept here would be useless in a process that was forked.

    Parameters
    ----------
    root : str
        A URL that `location` accepted.

    Raises
    ------
    DatasetError
        If a package is missing.
    UsageError
        If fsspec does not know the scheme.

    """
    scheme = root.partition("://")[0]
    try:
        from fsspec import get_filesystem_class
        from fsspec.core import url_to_fs

        # Listings are kept once, in Listed: fsspec's own cache takes 1 kB for each object, and would
        # hide that an object was replaced. Classes that are not asynchronous do not take this option.
        is_async = getattr(get_filesystem_class(scheme), "async_impl", False)
        found: tuple[Any, str] = url_to_fs(root, **({"use_listings_cache": False} if is_async else {}))
    except ImportError as error:
        raise DatasetError(f"{root} needs {_package(scheme, error)}") from error
    except ValueError as error:
        raise UsageError(
            f"{root} cannot be read: {reason(error)}; use a folder, or a URL that fsspec reads such as "
            "s3://BUCKET/FOLDER"
        ) from error
    except Exception as error:  # of file systems that connect at once, such as sftp
        raise StorageError(reason(error)) from error
    return found


def _package(scheme: str, error: ImportError) -> str:
    if scheme in _EXTRAS:
        extra = _EXTRAS[scheme]
        return f"the package {_PACKAGES[extra]}; run: pip install 'stackkit[{extra}]'"
    if error.name == "fsspec":
        return "the package fsspec; run: pip install fsspec"
    return f"another package: {reason(error)}"


@contextmanager
def reached() -> Iterator[None]:
    """Turn every error of a file system into FileNotFoundError or StorageError.

    Each library has its own types, and those of botocore are no OSError.
    """
    try:
        yield
    except (MemoryError, DatasetError, UsageError, StorageError):
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(f"does not exist ({reason(error)})") from error
    except Exception as error:
        raise StorageError(reason(error)) from error


def reason(error: Exception) -> str:
    """Return why access failed in one line, without passwords."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = _PASSWORD.sub("//***@", " ".join(told.split()))[:_LONGEST] or type(error).__name__
    return f"access denied: {text}" if isinstance(error, PermissionError) else text
