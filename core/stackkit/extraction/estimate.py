"""Estimate what an extraction needs: time and disk space."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from stackkit.api.errors import StoreError
from stackkit.utils.files import nearest_existing_parent

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneEstimate:
    """What one backbone needs.

    Parameters
    ----------
    label : str
        The backbone's label.
    images : int
        Number of rows to compute. With an `unavailable_reason` it is the number of all images, because
        the weights are needed to find out which rows are stored.
    images_per_s : float or None
        Speed on this machine, None if it was not measured.
    new_bytes : int
        Disk space for features in addition to what is used already, in bytes.
    unavailable_reason : str or None
        What is missing before the backbone can run, None if nothing.

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
    """What all backbones need, and the free disk space.

    Parameters
    ----------
    backbones : tuple of BackboneEstimate
        One per backbone, in order.
    free_bytes : int
        Free space on the disk of the store, in bytes.

    """

    backbones: tuple[BackboneEstimate, ...]
    free_bytes: int

    @property
    def seconds(self) -> float:
        """Time in all networks with a known speed, in seconds; they run one after another."""
        return sum(backbone.seconds or 0.0 for backbone in self.backbones)

    @property
    def is_complete(self) -> bool:
        """Whether the time of every backbone is known."""
        return all(backbone.seconds is not None for backbone in self.backbones)

    @property
    def new_bytes(self) -> int:
        """Additional disk space in bytes. A feature file has its full size from the start."""
        return sum(backbone.new_bytes for backbone in self.backbones)

    @property
    def fits(self) -> bool:
        """Whether the disk has enough free space for the features."""
        return self.new_bytes <= self.free_bytes

    def require_space(self, folder: Path) -> None:
        """Raise StoreError if the disk of `folder` has too little free space."""
        if not self.fits:
            raise StoreError(
                f"{folder}: the features need {self.new_bytes / MEGABYTE:,.1f} MB and the disk has "
                f"{self.free_bytes / MEGABYTE:,.1f} MB free; free some space or choose another disk "
                "with --store"
            )


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk where `folder` is, or would be created.

    Raises StoreError if the folder cannot be accessed.
    """
    try:
        # The folder is created with the first file, so the estimate may have to ask about a parent.
        return shutil.disk_usage(nearest_existing_parent(folder)).free
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; choose another folder with --store") from error
