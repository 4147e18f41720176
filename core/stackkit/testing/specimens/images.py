"""Images as a dataset shows them before and after its files were changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stackkit.testing.promise import require
from stackkit.testing.specimens.dataset import DatasetSubject

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The pixels and the fingerprint of each image, None where it cannot be read."""

    pixels: list[bytes | None]
    fingerprints: list[str | None]
    ids: list[str]


def seen(subject: DatasetSubject, copies: Mapping[str, Path]) -> Seen:
    """Some images of the dataset made from such copies; none if it refuses them."""
    try:
        dataset = subject.create(**{name: str(path) for name, path in copies.items()})
        samples = list(dataset.samples)
    except Exception:  # it refuses files that were changed, as it may
        return Seen(pixels=[], fingerprints=[], ids=[])
    some = [i for i in subject.some if i < len(samples)]
    return Seen(
        pixels=[_or_none(lambda i: dataset.image(i).tobytes(), i) for i in some],
        fingerprints=[_or_none(dataset.fingerprint, i) for i in some],
        ids=[samples[i].id for i in some],
    )


def _or_none(read: Callable[[int], T], i: int) -> T | None:
    try:
        return read(i)
    except Exception:  # a file that was changed need not be one any more
        return None


def is_followed(before: Seen, now: Seen) -> bool:
    """Whether any image is another one; its fingerprint must be, too."""
    if before.ids != now.ids:
        return False
    followed = False
    for i, name in enumerate(before.ids):
        if None not in (before.pixels[i], now.pixels[i]) and before.pixels[i] != now.pixels[i]:
            other = before.fingerprints[i] != now.fingerprints[i]
            require(other, f"{name} is changed, its fingerprint is not")
            followed = True
    return followed
