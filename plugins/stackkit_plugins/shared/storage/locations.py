"""Turn the text of an option or of a table into a place on disk or in object storage."""

from __future__ import annotations

import re
from pathlib import Path

from stackkit.api import UsageError, user_path
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]+"
_URL = re.compile(rf"({_SCHEME}::)*{_SCHEME}://")
_QUERY = re.compile(r"\?[^/]*=")


def is_url(text: str) -> bool:
    """Return whether a text is a URL; a drive of Windows is none."""
    return _URL.match(text) is not None


def location(text: str, what: str) -> Location:
    """Return the place that a text names: an absolute path, or a URL.

    Parameters
    ----------
    text : str
        A path, where `~` is the home folder, or a URL. `file:` URLs are paths.
    what : str
        Where the text is from, such as "image-folder: root=". It starts with the name of the dataset, so
        that the host puts no text with the same URL before a message about it.

    Raises
    ------
    UsageError
        If the URL has a password or token, which would be written into reports, or names no bucket.

    """
    if not is_url(text):
        return user_path(text).absolute()
    if text.startswith("file://"):
        return Path(text.removeprefix("file://")).absolute()
    _refuse_secrets(text, what)
    if "::" in text:
        raise UsageError(
            f"{what} must be one URL, got {text}; chained URLs (::) are not supported, as each "
            "image is read once"
        )
    url = text.rstrip("/")
    if not is_url(f"{url}/") or url.endswith(":"):
        raise UsageError(f"{what} must name a bucket or folder, as in s3://BUCKET/FOLDER, got {text}")
    return RemotePath(url)


def file_location(url: str, what: str) -> Location:
    """Return the place of a file that a URL names, as `location` does.

    Its root is the bucket, so that all files of a bucket have the same one and "::" may be in a name.
    """
    scheme, _, rest = url.partition("://")
    bucket, slash, below = rest.partition("/")
    if not slash or scheme == "file":
        return location(url, what)
    _refuse_secrets(url, what)
    folder = location(f"{scheme}://{bucket}", what) if bucket else RemotePath(f"{scheme}://")
    return folder / below


def _refuse_secrets(text: str, what: str) -> None:
    if found := secret_in(text):
        raise UsageError(
            f"{what} must not contain {found}, because it would be written into reports and models; "
            "pass credentials by environment variables or the configuration of your cloud's tools"
        )


def secret_in(url: str) -> str:
    """Return what in a URL may be secret, for messages; "" if nothing is."""
    user, at, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    if at and (":" in user or url.startswith("http")):  # a token may be the user of a web server
        return "a password"
    return "a query (?...=), which may hold a token" if _QUERY.search(url) else ""
