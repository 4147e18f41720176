"""Group the members of shards by key, as WebDataset does, into labelled images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stackkit_webdataset.shard import Listing, Member, Shard, listed
from stackkit_webdataset.tally import Tally

_FORMATS = "bmp dib gif jfif jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
_ENDINGS = frozenset(_FORMATS.split())
_KEY = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")  # to the first dot of the file's name
_JSON = "json."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An image in a shard, and its label."""

    shard: Shard
    image: Member
    label: str

    @property
    def id(self) -> str:
        """Shard and member, for samples and messages."""
        return f"{self.shard.name}/{self.image.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which members are images and labels, by ending; `image` None means any image format.

    `label` is an ending, or "json." followed by a key of the object in the member that ends in json.
    """

    image: str | None
    label: str

    @property
    def label_ending(self) -> str:
        """Ending of the members with labels."""
        return "json" if self.label.startswith(_JSON) else self.label

    def images(self, endings: Mapping[str, Member]) -> list[str]:
        """Return the endings of a key that are images."""
        return [each for each in endings if (each == self.image if self.image else each in _ENDINGS)]

    def label_in(self, content: bytes) -> str:
        """Return the label in a member; raise ValueError if it is invalid."""
        value: object = content.decode("utf-8")
        if self.label.startswith(_JSON):
            record = json.loads(content)
            value = record.get(self.label.removeprefix(_JSON)) if isinstance(record, dict) else None
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise ValueError("expected text or a whole number")
        text = str(value).strip()
        if not text or not text.isprintable():
            raise ValueError("expected one line of text")
        return text


def read_index(shards: Sequence[tuple[str, Path]], selection: Selection, tally: Tally) -> list[Entry]:
    """Return every labelled image in the order of shards and members. Raises DatasetError."""
    entries: list[Entry] = []
    for name, path in shards:
        with listed(name, path) as (listing, file):
            found = list(_entries(listing, file, selection, tally))
        if not found:
            tally.add("shards without a labelled image", name)
        entries += found
    return entries


def _entries(listing: Listing, file: IO[bytes], selection: Selection, tally: Tally) -> Iterator[Entry]:
    shard = listing.shard
    if listing.damage:
        after = f"{shard.name}: after {len(listing.members)} members, {listing.damage}"
        tally.add("rest of damaged shards", after)
    for name in listing.special:
        tally.add("links and other members that are not files", f"{shard.name}/{name}")
    for key, endings in _keys(listing, tally).items():
        image = _image(f"{shard.name}/{key}", endings, selection, tally)
        if not image:
            continue
        text = _label(f"{shard.name}/{key}", endings, file, selection, tally)
        if text is not None:
            yield Entry(shard=shard, image=image, label=text)


def _keys(listing: Listing, tally: Tally) -> dict[str, dict[str, Member]]:
    """Group members by key and ending; keys with the same ending twice are ambiguous and skipped."""
    keys: dict[str, dict[str, Member]] = {}
    duplicates: dict[str, None] = {}
    for member in listing.members:
        named = _KEY.fullmatch(member.name)
        if not named or not member.name.isprintable():
            tally.add("members without key and ending", f"{listing.shard.name}/{member.name}")
            continue
        key, ending = named[1], named[2].lower()
        if keys.setdefault(key, {}).setdefault(ending, member) is not member:
            duplicates[key] = None
    for key in duplicates:
        tally.add("duplicate keys", f"{listing.shard.name}/{key}")
        del keys[key]
    return keys


def _image(
    name: str, endings: Mapping[str, Member], selection: Selection, tally: Tally
) -> Member | None:
    found = selection.images(endings)
    if len(found) == 1:
        for other in sorted(endings.keys() - {*found, selection.label_ending}):
            tally.add("members that are neither images nor labels", f"{name}.{other}")
        return endings[found[0]]
    reason = "keys with several images (choose one with image=)" if found else "keys without an image"
    tally.add(reason, f"{name}.{min(found or endings)}")
    return None


def _label(
    name: str, endings: Mapping[str, Member], file: IO[bytes], selection: Selection, tally: Tally
) -> str | None:
    member = endings.get(selection.label_ending)
    if not member:
        tally.add(f"images without a label (.{selection.label_ending})", name)
        return None
    file.seek(member.offset)
    try:
        return selection.label_in(file.read(member.size))
    except (ValueError, RecursionError):  # UTF-8 and JSON errors are ValueErrors too
        tally.add(f"images whose label ({selection.label}) is neither text nor a whole number", name)
        return None
