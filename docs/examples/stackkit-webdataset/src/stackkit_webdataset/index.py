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
    """An image in a shard, and what its label is called."""

    shard: Shard
    image: Member
    label: str

    @property
    def id(self) -> str:
        """Shard and member: where an error is to be looked for."""
        return f"{self.shard.name}/{self.image.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Endings of the members that make a sample; an `image` of None is that of any image format.

    `label` is an ending, or "json." and a key of the object in the member that ends in json.
    """

    image: str | None
    label: str

    @property
    def label_ending(self) -> str:
        """Ending of the members that hold labels."""
        return "json" if self.label.startswith(_JSON) else self.label

    def images(self, endings: Mapping[str, Member]) -> list[str]:
        """Those of a key's endings that are its image."""
        return [each for each in endings if (each == self.image if self.image else each in _ENDINGS)]

    def label_in(self, content: bytes) -> str:
        """What a label's member says; raises ValueError if that is no label."""
        value: object = content.decode("utf-8")
        if self.label.startswith(_JSON):
            record = json.loads(content)
            value = record.get(self.label.removeprefix(_JSON)) if isinstance(record, dict) else None
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise ValueError("a text or a whole number is wanted")
        text = str(value).strip()
        if not text or not text.isprintable():
            raise ValueError("one line of text is wanted")
        return text


def read_index(shards: Sequence[tuple[str, Path]], wanted: Wanted, tally: Tally) -> list[Entry]:
    """Every labelled image, shard by shard in the order of members. Raises DatasetError."""
    entries: list[Entry] = []
    for name, path in shards:
        with listed(name, path) as (listing, file):
            found = list(_entries(listing, file, wanted, tally))
        if not found:
            tally.add("shards without a labelled image", name)
        entries += found
    return entries


def _entries(listing: Listing, file: IO[bytes], wanted: Wanted, tally: Tally) -> Iterator[Entry]:
    shard = listing.shard
    if listing.damage:
        after = f"{shard.name}: after {len(listing.members)} members, {listing.damage}"
        tally.add("the rest of shards that are damaged", after)
    for name in listing.special:
        tally.add("links and other members that are no files", f"{shard.name}/{name}")
    for key, endings in _keys(listing, tally).items():
        image = _image(f"{shard.name}/{key}", endings, wanted, tally)
        if not image:
            continue
        text = _label(f"{shard.name}/{key}", endings, file, wanted, tally)
        if text is not None:
            yield Entry(shard=shard, image=image, label=text)


def _keys(listing: Listing, tally: Tally) -> dict[str, dict[str, Member]]:
    """Members by key and ending; a key that has one ending twice could mean either, and is left out."""
    keys: dict[str, dict[str, Member]] = {}
    twice: dict[str, None] = {}
    for member in listing.members:
        named = _KEY.fullmatch(member.name)
        if not named or not member.name.isprintable():
            tally.add("members without key and ending", f"{listing.shard.name}/{member.name}")
            continue
        key, ending = named[1], named[2].lower()
        if keys.setdefault(key, {}).setdefault(ending, member) is not member:
            twice[key] = None
    for key in twice:
        tally.add("keys that occur twice in their shard", f"{listing.shard.name}/{key}")
        del keys[key]
    return keys


def _image(name: str, endings: Mapping[str, Member], wanted: Wanted, tally: Tally) -> Member | None:
    found = wanted.images(endings)
    if len(found) == 1:
        for other in sorted(endings.keys() - {*found, wanted.label_ending}):
            tally.add("members beside images and labels", f"{name}.{other}")
        return endings[found[0]]
    reason = "keys with several images (image= chooses)" if found else "keys without an image"
    tally.add(reason, f"{name}.{min(found or endings)}")
    return None


def _label(
    name: str, endings: Mapping[str, Member], file: IO[bytes], wanted: Wanted, tally: Tally
) -> str | None:
    member = endings.get(wanted.label_ending)
    if not member:
        tally.add(f"images without a label (.{wanted.label_ending})", name)
        return None
    file.seek(member.offset)
    try:
        return wanted.label_in(file.read(member.size))
    except (ValueError, RecursionError):  # also those of UTF-8 and JSON
        tally.add(f"images whose label ({wanted.label}) is no text or whole number", name)
        return None
