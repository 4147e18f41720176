"""Remember what was found out, such as about images by their fingerprints, one JSON line each."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> Iterator[Any]:
    """Yield the content of each line; damaged lines, and a file that cannot be read, are skipped."""
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError):
                yield json.loads(line)


def append_lines(path: Path, new: Iterable[Any]) -> None:
    """Append a line for each entry, unless the folder does not exist or cannot be written to."""
    # Processes that append at the same time do not mix their lines, and a line that a killed process
    # left unfinished ends at the next line break.
    lines = [json.dumps(each) for each in new]
    if lines and path.parent.is_dir():
        with suppress(OSError), path.open("a", encoding="utf-8") as file:  # it may be read-only, or full
            file.write("\n".join(["", *lines, ""]))


def read_remembered(path: Path, keys: Collection[str]) -> dict[str, Any]:
    """Return what a file says about these keys; lines that are damaged are skipped.

    Parameters
    ----------
    path : Path
        The file. If it cannot be read, nothing is remembered.
    keys : collection of str
        Keys, such as fingerprints of images.

    """
    found = dict[str, Any]()
    for line in read_lines(path):
        with suppress(ValueError, TypeError):
            key, value = line
            if key in keys:
                found[key] = value
    return found


def remember(path: Path, new: Mapping[str, Any]) -> None:
    """Append a line for each key, as `append_lines`."""
    append_lines(path, new.items())
