"""Choose which cached files to remove: by age, then by total size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class CachedFile(Protocol):
    """A file that can be computed again."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    @property
    def used(self) -> float:
        """Time of the last use, in seconds since 1970."""

    @property
    def removable(self) -> bool:
        """Whether it may be removed; False for files that something else may need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A file to remove, and the reason."""

    path: Path
    size: int
    reason: str

    @classmethod
    def of(cls, file: CachedFile, reason: str) -> Removal:
        """Return the removal of a file."""
        return cls(path=file.path, size=file.size, reason=reason)

    def document(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"path": str(self.path), "bytes": self.size, "reason": self.reason}


def select_unused(
    files: Sequence[CachedFile], now: float, *, older_than_s: float | None, keep_bytes: int | None
) -> list[Removal]:
    """Choose the files to remove: those unused for too long, then the least recently used ones.

    Parameters
    ----------
    files : sequence of CachedFile
        All files. Those that are not removable count for the total size.
    now : float
        Seconds since 1970.
    older_than_s : float or None
        Remove files that were not used for more seconds than this; None removes none by age.
    keep_bytes : int or None
        Total size that may remain; None sets no limit.

    Returns
    -------
    list of Removal
        The files to remove, least recently used first for each reason.

    """
    removals, kept = [], []
    for file in sorted(files, key=lambda file: file.used):
        if file.removable and older_than_s is not None and now - file.used > older_than_s:
            removals.append(Removal.of(file, "unused for too long"))
        else:
            kept.append(file)
    total = sum(file.size for file in kept)
    # Still sorted, so that the least recently used ones go first.
    for file in kept:
        if keep_bytes is not None and total > keep_bytes and file.removable:
            total -= file.size
            removals.append(Removal.of(file, "exceeds the size to keep"))
    return removals
