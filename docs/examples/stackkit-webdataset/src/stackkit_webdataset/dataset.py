"""The dataset object: a labelled image in a shard is a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api import (
    DatasetError,
    Sample,
    UsageError,
    bytes_fingerprint,
    decode_image,
    limit_per_class,
)
from stackkit_webdataset.index import Entry, Wanted, read_index
from stackkit_webdataset.shards import find_shards, split_of
from stackkit_webdataset.tally import Tally

if TYPE_CHECKING:
    from PIL import Image


class WebDataset:
    """The images in the shards that `root` means, by shard and then as they lie in it.

    An id is shard and member, as in "train/shard-000000.tar/0007.jpg". `names`, if any, are those of
    the labels 0, 1, ...; otherwise classes are called as their labels.
    """

    def __init__(
        self, root: str, wanted: Wanted, names: Sequence[str] | None, *, limit: int | None
    ) -> None:
        tally = Tally()
        entries = read_index(find_shards(root, tally), wanted, tally)
        called = _called(entries, names)
        self.classes = _classes(root, called, names, tally)
        label_of = {name: label for label, name in enumerate(self.classes)}
        every = [
            Sample(id=entry.id, label=label_of[name], split=split_of(entry.shard.name))
            for entry, name in zip(entries, called, strict=True)
        ]
        self.samples = tuple(limit_per_class(every, limit))
        self.notes = tuple(_notes(every, names, self.classes) + tally.notes())
        kept = {sample.id for sample in self.samples}
        self._entries = [entry for entry in entries if entry.id in kept]

    def image(self, i: int) -> Image.Image:
        """Image i, RGB; raises OSError or ImageError."""
        entry = self._entries[i]
        return decode_image(entry.shard.read(entry.image), entry.image.name)

    def fingerprint(self, i: int) -> str:
        """Fingerprint of image i's bytes, as if unpacked; raises OSError or ImageError."""
        entry = self._entries[i]
        return bytes_fingerprint(entry.shard.read(entry.image))


def webdataset(
    *, root: str | None, label: str, image: str | None, classes: str | None, limit: int | None
) -> WebDataset:
    """List all shards; raises UsageError without `root`, DatasetError for what cannot be meant."""
    if not root:
        raise UsageError("webdataset: root= is wanted, such as webdataset:root=shards")
    if not label.removeprefix("json."):
        raise UsageError(f"label={label}: an ending such as cls, or json.KEY, is wanted")
    wanted = Wanted(
        image=image.removeprefix(".").lower() if image else None,
        label=label if label.startswith("json.") else label.removeprefix(".").lower(),
    )
    names = _names(Path(classes).expanduser().absolute()) if classes else None
    return WebDataset(root, wanted, names, limit=limit)


def _names(file: Path) -> list[str]:
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{file} cannot be read ({error}); a class name per line is wanted"
        ) from error
    if len(set(names)) < len(names) or "" in names:
        raise DatasetError(f"{file}: every line is wanted to be a class name of its own")
    return names


def _called(entries: Sequence[Entry], names: Sequence[str] | None) -> list[str]:
    """The name of each image's class."""
    if names is None:
        return [entry.label for entry in entries]
    places = {str(number): name for number, name in enumerate(names)}
    for entry in entries:
        if entry.label not in places:
            raise DatasetError(
                f"{entry.id} has the label {entry.label}; with the {len(names)} names of classes= "
                f"a number from 0 to {len(names) - 1} is wanted"
            )
    return [places[entry.label] for entry in entries]


def _classes(
    root: str, called: Sequence[str], names: Sequence[str] | None, tally: Tally
) -> tuple[str, ...]:
    """Names in the order of `names`, or else by number where all are numbers: 10 comes after 9."""
    found = set(called)
    if len(found) < 2:
        hint = "".join(f"; {note}" for note in tally.notes())
        raise DatasetError(
            f"the shards of {root} have {len(called)} labelled images of {len(found)} classes, two or "
            f"more are wanted; label= says where labels are{hint}"
        )
    if names is not None:
        return tuple(name for name in names if name in found)
    numbers = all(name.isdecimal() and len(name) < 20 for name in found)
    return tuple(sorted(found, key=lambda name: (int(name) if numbers else 0, name)))


def _notes(samples: Sequence[Sample], names: Sequence[str] | None, classes: Sequence[str]) -> list[str]:
    notes = []
    if empty := [name for name in names or () if name not in classes]:
        notes.append(f"names of classes= without an image: {len(empty)} (such as {empty[0]})")
    apart = [sample.id for sample in samples if sample.split is None]
    if 0 < len(apart) < len(samples):
        notes.append(f"images in no part beside those of a split: {len(apart):,} (such as {apart[0]})")
    return notes
