"""Remember how long networks took, so that reports can say it when features are reused, too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stackkit.extraction.feature_set import FeatureSet
from stackkit.store import DatasetRows, FeatureStore
from stackkit.utils.remembered import append_lines, read_lines

FILE_NAME = "network-seconds-1.jsonl"
"""File in the folder of the store, one line per feature set and extraction. It can be deleted: the time
is then unknown until the features are computed again."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds in a network, and the number of images that they are for."""

    seconds: float = 0.0
    images: int = 0

    def __add__(self, other: Measured) -> Measured:
        return Measured(self.seconds + other.seconds, self.images + other.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSeconds:
    """The times of one extraction, by feature file.

    Parameters
    ----------
    folder : Path
        The folder of the store.

    """

    folder: Path
    _measured: dict[str, Measured] = field(default_factory=lambda: defaultdict(Measured))

    def add(self, path: Path, seconds: float, images: int) -> None:
        """Add the time of a call of a network for images of the feature file at `path`."""
        self._measured[_name(path, self.folder)] += Measured(seconds, images)

    def save(self) -> None:
        """Append the times to those of earlier extractions, if the folder can be written."""
        append_lines(
            self.folder / FILE_NAME,
            [(name, round(each.seconds, 3), each.images) for name, each in self._measured.items()],
        )


def network_seconds(
    sets: Sequence[FeatureSet], images: int, rows: DatasetRows, store: FeatureStore
) -> list[float | None]:
    """Return the time in the network for all images of each feature set.

    Parameters
    ----------
    sets : sequence of FeatureSet
        The sets; those that were computed by one pass of a network share its time.
    images : int
        Number of images that have features.
    rows, store : DatasetRows, FeatureStore
        All images, and where their features are stored.

    Returns
    -------
    list of float or None
        In seconds, measured on the machine that computed the features; None unless all of them were
        computed by a version that measured it.

    """
    known = _read(store.folder / FILE_NAME)
    # A set that is stored in shards takes the time of all of them.
    found = [
        sum((known[_name(path, store.folder)] for path in store.paths(each.key, rows)), Measured())
        for each in sets
    ]
    return [_for_all(each, images) for each in found]


def _for_all(measured: Measured, images: int) -> float | None:
    # More images than there are if some were computed twice: then the mean time of one is right.
    return measured.seconds * images / measured.images if 0 < images <= measured.images else None


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _read(path: Path) -> dict[str, Measured]:
    """Return the times by feature file; lines that are damaged are skipped."""
    found = defaultdict[str, Measured](Measured)
    for line in read_lines(path):
        with suppress(ValueError, TypeError):
            name, seconds, images = line
            found[name] += Measured(float(seconds), int(images))
    return found
