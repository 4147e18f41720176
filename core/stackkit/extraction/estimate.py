"""What an extraction is going to take: time, room on the disk, downloads."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from stackkit.api.errors import StoreError

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneEstimate:
    """What one backbone is going to take.

    `images` are the rows to compute, `images_per_s` is None where nothing was measured,
    `new_bytes` is room that is not taken yet, `unavailable_reason` says what has to be had first (then
    all images count, for what is stored is known only once the weights are here).
    """

    label: str
    images: int
    images_per_s: float | None
    new_bytes: int
    unavailable_reason: str | None = None

    @property
    def seconds(self) -> float | None:
        """Time in the network, None if unknown."""
        if not self.images:
            return 0.0
        return self.images / self.images_per_s if self.images_per_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What all backbones are going to take, and the room there is."""

    backbones: tuple[BackboneEstimate, ...]
    free_bytes: int

    @property
    def seconds(self) -> float:
        """Time in those networks whose speed is known; they work one after the other."""
        return sum(backbone.seconds or 0.0 for backbone in self.backbones)

    @property
    def is_complete(self) -> bool:
        """Whether the time of every backbone is known."""
        return all(backbone.seconds is not None for backbone in self.backbones)

    @property
    def new_bytes(self) -> int:
        """Room that the features take and that is not taken yet; files have it from their start."""
        return sum(backbone.new_bytes for backbone in self.backbones)

    @property
    def fits(self) -> bool:
        """Whether the disk has room for the features."""
        return self.new_bytes <= self.free_bytes

    def require_room(self, folder: Path) -> None:
        """Raise StoreError if the disk under `folder` is too small."""
        if not self.fits:
            raise StoreError(
                f"{folder}: the features take {self.new_bytes / MEGABYTE:,.1f} MB and the disk has "
                f"{self.free_bytes / MEGABYTE:,.1f} MB left; free some space or name another "
                "disk with --store"
            )


def free_bytes(folder: Path) -> int:
    """Bytes that the disk has left where `folder` is, or is going to be.

    Raises StoreError if the folder may not be looked at.
    """
    there = folder.absolute()
    try:
        while not there.exists():
            there = there.parent
        return shutil.disk_usage(there).free
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; name another folder with --store") from error
