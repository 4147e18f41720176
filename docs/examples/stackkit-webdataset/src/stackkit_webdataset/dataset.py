"""The dataset: each labelled image in a shard is a sample."""

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
    user_path,
)
from stackkit_webdataset.index import Entry, Selection, read_index
from stackkit_webdataset.shards import find_shards, split_of
from stackkit_webdataset.tally import Tally

if TYPE_CHECKING:
    from PIL import Image


class WebDataset:
    """The images in the shards of `root`, in the order of shards and members.

    The id of a sample is shard and member, for example "train/shard-000000.tar/0007.jpg". `names` are
    the class names of the labels 0, 1, ...; without them labels are the class names.
    """

    def __init__(
        self, root: str, selection: Selection, names: Sequence[str] | None, *, limit: int | None
    ) -> None:
        tally = Tally()
        entries = read_index(find_shards(root, tally), selection, tally)
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
        """Return image i as RGB; raise OSError or ImageError if it cannot be read."""
        entry = self._entries[i]
        return decode_image(entry.shard.read(entry.image), entry.image.name)

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of image i, the same as for the unpacked file."""
        entry = self._entries[i]
        return bytes_fingerprint(entry.shard.read(entry.image))


def webdataset(
    *, root: str | None, label: str, image: str | None, classes: str | None, limit: int | None
) -> WebDataset:
    """List all shards; raise UsageError without `root` and DatasetError for invalid shards."""
    if not root:
        raise UsageError("webdataset: root= is required, for example webdataset:root=shards")
    if not label.removeprefix("json."):
        raise UsageError(f"label must be an ending such as cls, or json.KEY, got {label!r}")
    selection = Selection(
        image=image.removeprefix(".").lower() if image else None,
        label=label if label.startswith("json.") else label.removeprefix(".").lower(),
    )
    names = _names(user_path(classes).absolute()) if classes else None
    return WebDataset(root, selection, names, limit=limit)


def _names(file: Path) -> list[str]:
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"classes={file} cannot be read ({error}); expected UTF-8 text") from error
    if len(set(names)) < len(names) or "" in names:
        raise DatasetError(f"classes={file} must have one unique class name per line")
    return names


def _called(entries: Sequence[Entry], names: Sequence[str] | None) -> list[str]:
    """Return the class name of each image."""
    if names is None:
        return [entry.label for entry in entries]
    places = {str(number): name for number, name in enumerate(names)}
    for entry in entries:
        if entry.label not in places:
            raise DatasetError(
                f"the label of {entry.id} must be a number from 0 to {len(names) - 1}, because classes= "
                f"has {len(names)} names, got {entry.label}"
            )
    return [places[entry.label] for entry in entries]


def _classes(
    root: str, called: Sequence[str], names: Sequence[str] | None, tally: Tally
) -> tuple[str, ...]:
    """Sort class names: in the order of `names`, by number if all are numbers, else by text."""
    found = set(called)
    if len(found) < 2:
        hint = "".join(f"; {note}" for note in tally.notes())
        raise DatasetError(
            f"expected images of two or more classes in the shards of {root}, got {len(called)} "
            f"labelled images of {len(found)} classes; pass label=, where labels are{hint}"
        )
    if names is not None:
        return tuple(name for name in names if name in found)
    numbers = all(name.isdecimal() and len(name) < 20 for name in found)
    return tuple(sorted(found, key=lambda name: (int(name) if numbers else 0, name)))


def _notes(samples: Sequence[Sample], names: Sequence[str] | None, classes: Sequence[str]) -> list[str]:
    notes = []
    if empty := [name for name in names or () if name not in classes]:
        notes.append(f"classes without an image: {len(empty)} (for example {empty[0]})")
    apart = [sample.id for sample in samples if sample.split is None]
    if 0 < len(apart) < len(samples):
        notes.append(f"images outside any split: {len(apart):,} (for example {apart[0]})")
    return notes
