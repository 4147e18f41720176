"""Which kept files may go: those unused for too long, then the longest unused until the rest fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Kept(Protocol):
    """A file that was made once and may be made again; `used` is seconds since 1970."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def used(self) -> float:
        """Time of last use."""

    @property
    def removable(self) -> bool:
        """Whether it is ours to remove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A file that is to go, and why."""

    path: Path
    size: int
    reason: str

    @classmethod
    def of(cls, file: Kept, reason: str) -> Removal:
        """Of a kept file."""
        return cls(path=file.path, size=file.size, reason=reason)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"path": str(self.path), "bytes": self.size, "reason": self.reason}


def disused(
    found: Sequence[Kept], now: float, *, older_than_s: float | None, keep_bytes: int | None
) -> list[Removal]:
    """Files unused for too long, then the longest unused until the rest fits; None asks for neither.

    `now` is in seconds since 1970.
    """
    removals, kept = [], []
    for file in sorted(found, key=lambda file: file.used):
        if file.removable and older_than_s is not None and now - file.used > older_than_s:
            removals.append(Removal.of(file, "not used for so long"))
        else:
            kept.append(file)
    room = sum(file.size for file in kept)
    for file in kept:
        if keep_bytes is not None and room > keep_bytes and file.removable:
            room -= file.size
            removals.append(Removal.of(file, "over the size to keep"))
    return removals
