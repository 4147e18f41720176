"""Whose features a file's rows are known to be: a record beside it that can be lost, and never lies.

It names the rows by a digest of their checksums, so that it says nothing of rows that came later.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from stackkit.store.file import FeatureFile
from stackkit.store.locks import remove_idle

SUFFIX = ".vouched"


def is_vouched(file: FeatureFile, maker: str) -> bool:
    """Whether the rows in the file, as they are now, are known to be what `maker` computes."""
    return maker in _makers(file)


def vouch(file: FeatureFile, maker: str, rows: str) -> None:
    """Keep that they are, if that is possible: a full disk costs a later run a few images.

    `rows` is the `state` in which they were found to be; another process may write meanwhile.
    """
    makers = sorted({*_makers(file), maker})
    with suppress(OSError):
        _record(file.path).write_text(json.dumps({"rows": rows, "makers": makers}), "utf-8")


def state(file: FeatureFile) -> str:
    """The rows that are in a file now, as a digest of their checksums."""
    return hashlib.blake2b(file.checksums().tobytes(), digest_size=16).hexdigest()


def remove_features(path: Path) -> bool:
    """Remove a feature file that nobody writes, and its record; False if it is in use."""
    gone = remove_idle(path)
    if gone:
        with suppress(OSError):
            _record(path).unlink(missing_ok=True)
    return gone


def _makers(file: FeatureFile) -> list[str]:
    try:
        found = json.loads(_record(file.path).read_text("utf-8"))
        return list(found["makers"]) if found["rows"] == state(file) else []
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _record(path: Path) -> Path:
    return path.with_suffix(SUFFIX)
