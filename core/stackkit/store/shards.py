"""Ranges of a dataset's rows that are computed and stored apart, by several processes or machines.

Shard I of N is an ordinary feature file with the rows of one range. Its name says which one it is, and
of which list of images, so the shards that belong together are found without opening any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackkit.api.errors import UsageError

MOST_SHARDS = 256
"""Largest number of shards. A process that writes all of them holds this many files open."""

ENDING = "0123456789ab-001of256-0123456789ab.h5"
"""A text as long as the end of a shard's file name, see `DatasetRows.ending`."""

_TEXT = re.compile(r"(\d+)/(\d+)")
_NAME = re.compile(r".*-(?P<listing>[0-9a-f]{12})-(?P<part>\d{3})of(?P<of>\d{3})-[0-9a-f]{12}\.h5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of several ranges of the rows of a dataset.

    Parameters
    ----------
    part, of : int
        Number of the range, from 1, and number of ranges.
    listing : str
        Digest of the classes, and of the name, label and split of every image of the whole dataset,
        12 hexadecimal digits.

    """

    part: int
    of: int
    listing: str

    def __str__(self) -> str:
        return f"{self.part}/{self.of}"

    @property
    def name(self) -> str:
        """The part of a file name that says which shard it is."""
        return f"{self.listing}-{self.part:03}of{self.of:03}"

    def overlaps(self, other: Shard) -> bool:
        """Return whether an image may be in both shards, of whatever numbers of shards."""
        return (self.part - 1) * other.of < other.part * self.of and (
            other.part - 1
        ) * self.of < self.part * other.of

    def range(self, count: int) -> range:
        """Return the rows of the shard, of `count` rows; sizes of shards differ by 1 at most."""
        return range(count * (self.part - 1) // self.of, count * self.part // self.of)


def parse_shard(text: str) -> tuple[int, int]:
    """Return number and count of "I/N"; raises UsageError."""
    found = _TEXT.fullmatch(text.strip())
    part, of = map(int, found.groups()) if found else (0, 0)
    if not (1 <= part <= of and 2 <= of <= MOST_SHARDS):
        raise UsageError(
            f"--shard must be I/N with N from 2 to {MOST_SHARDS} and I from 1 to N, such as 1/4, "
            f"got {text!r}"
        )
    return part, of


def shard_named(file_name: str) -> Shard | None:
    """Return the shard that a file name says it is, None for other files."""
    if found := _NAME.fullmatch(file_name):
        return Shard(part=int(found["part"]), of=int(found["of"]), listing=found["listing"])
    return None


def shards_in(folder: Path, listing: str) -> list[Path]:
    """Return the shards of one list of images in a folder, ordered by name."""
    return sorted(folder.glob(f"*-{listing}-???of???-????????????.h5"))


def counts_of(paths: Iterable[Path]) -> set[int]:
    """Return the numbers of shards, the N of "I/N", that files belong to."""
    return {shard.of for path in paths if (shard := shard_named(path.name))}


def listed(shards: Sequence[Shard]) -> str:
    """Return the names of shards for a message, such as "shards 2/4, 3/4"."""
    names = ", ".join(map(str, shards[:5])) + (", ..." if len(shards) > 5 else "")
    return f"shard{'s' if len(shards) > 1 else ''} {names}"
