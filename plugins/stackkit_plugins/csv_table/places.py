"""Find the files that a table names, on disk or in object storage."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackkit.api import DatasetError, UsageError
from stackkit_plugins.csv_table.table import Row
from stackkit_plugins.shared.storage.filesystems import StorageError
from stackkit_plugins.shared.storage.listed import Listed
from stackkit_plugins.shared.storage.listing import find
from stackkit_plugins.shared.storage.locations import file_location, is_url
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the images of a table are.

    Attributes
    ----------
    of_rows : tuple of Path or RemotePath
        The place of each row.
    exist : tuple of bool
        Whether there is a file.
    remote : dict of RemotePath to Listed
        The objects in object storage, as they were listed.

    """

    of_rows: tuple[Location, ...]
    exist: tuple[bool, ...]
    remote: Mapping[RemotePath, Listed]


def located(root: Location, rows: Sequence[Row]) -> Places:
    """Return the files that the rows name, in whichever Unicode form they exist.

    Raises
    ------
    DatasetError
        If object storage cannot be read, or a URL has a password or token.

    """
    possible = [_possible(root, row) for row in rows]
    remote = {place for places in possible for place in places if isinstance(place, RemotePath)}
    try:
        listed = find(remote)
    except StorageError as error:
        raise DatasetError(
            f"the images listed for {root} cannot be found ({error}); check your credentials and the "
            "connection"
        ) from error

    def exists(place: Location) -> bool:
        return place in listed if isinstance(place, RemotePath) else _is_file(place)

    found = [next((each for each in places if exists(each)), None) for places in possible]
    return Places(
        of_rows=tuple(one or places[0] for one, places in zip(found, possible, strict=True)),
        exist=tuple(one is not None for one in found),
        remote=listed,
    )


def _possible(root: Location, row: Row) -> list[Location]:
    paths = [row.path, *(unicodedata.normalize(form, row.path) for form in ("NFC", "NFD"))]
    return [_place(root, path, row.where) for path in dict.fromkeys(paths)]


def _place(root: Location, path: str, where: str) -> Location:
    if path.startswith("/"):
        return Path(path)  # as `root / path` is with a root on disk
    if not is_url(path):
        return root / path
    if isinstance(root, RemotePath) and path.startswith(f"{root}/"):
        return root / path.removeprefix(f"{root}/")
    try:
        return file_location(path, f"csv: the path on {where}")
    except UsageError as error:
        raise DatasetError(str(error)) from None


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises where a folder may not be read
