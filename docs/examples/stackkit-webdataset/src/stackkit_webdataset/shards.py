"""Find the shards of `root` and the split of each."""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stackkit.api import DatasetError, user_path
from stackkit_webdataset.tally import Tally

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_BRACES = re.compile(r"\{([^{}]*)\}")
_WILD = re.compile(r"[*?\[]")
_MAGIC = re.compile(r"[*?\[{]")
_COMPRESSED = re.compile(r"\.(tar\.\w+|tgz|tbz2?|txz|tzst)\Z")


def find_shards(root: str, tally: Tally) -> list[tuple[str, Path]]:
    """Return name and path of every shard, sorted by name. The name is the path below the folder.

    The folder of a pattern is the part before its first wildcard. Raises DatasetError without shards.
    """
    place = user_path(root).absolute()
    try:
        base, paths = _folder_and_shards(place, tally)
    except OSError as error:
        raise DatasetError(f"{place} cannot be listed ({error}); check its permissions") from error
    if not paths:
        hint = "".join(f"; {note}" for note in tally.notes())
        raise DatasetError(f"{place} has no shards (files ending in .tar){hint}")
    return sorted(_once(base, paths, tally))


@functools.cache
def split_of(name: str) -> str | None:
    """Return the split named by a folder in the shard's name, else by a word of its file name."""
    *folders, file = name.lower().split("/")
    words = re.split(r"[-_.]", file)
    parts = {_SPLITS[word] for word in folders if word in _SPLITS}
    parts = parts or {_SPLITS[word] for word in words if word in _SPLITS}
    if len(parts) > 1:
        raise DatasetError(
            f"the name of shard {name} contains two splits, {' and '.join(sorted(parts))}; rename it"
        )
    return parts.pop() if parts else None


def expanded(pattern: str) -> list[str]:
    """Expand braces as a shell does: {08..11} to numbers of two digits, {a,b} to alternatives."""
    braces = _BRACES.search(pattern)
    if not braces:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [text for each in _alternatives(braces[1]) for text in expanded(before + each + after)]


def _alternatives(text: str) -> Sequence[str]:
    first, _, last = text.partition("..")
    if first.isdecimal() and last.isdecimal():
        return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return text.split(",")


def _folder_and_shards(place: Path, tally: Tally) -> tuple[Path, list[Path]]:
    """Return the folder that names are relative to, and the shards."""
    if place.is_dir():
        return place, list(_below(place, tally))
    if place.is_file():
        return place.parent, [place]
    if not _MAGIC.search(str(place)):
        raise DatasetError(f"root={place} does not exist; pass a folder of .tar shards")
    base = Path(os.path.dirname(_MAGIC.split(str(place))[0]))  # noqa: PTH120 - a/ gives a
    return base, _matched(str(place))


def _matched(pattern: str) -> list[Path]:
    """Return every file of a pattern; files named without a wildcard must exist."""
    texts = expanded(pattern)
    found = (glob.glob(text) if _WILD.search(text) else [text] for text in texts)  # noqa: PTH207
    paths = [path for each in found for path in each]
    missing = [path for path in paths if not os.path.isfile(path)]  # noqa: PTH113
    if missing or not paths:
        raise DatasetError(
            f"root={pattern} matches {len(paths)} shards, {len(missing)} of them do not exist"
            + (f", for example {missing[0]}" if missing else "")
        )
    return [Path(path) for path in paths]


def _below(folder: Path, tally: Tally) -> Iterator[Path]:
    """Yield shards at any depth; links to folders are followed once, hidden names are ignored."""
    seen = {os.path.realpath(folder)}
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(place, name))  # noqa: PTH118
            if real not in seen and not name.startswith("."):
                kept.append(name)
                seen.add(real)
        folders[:] = kept
        for path in (Path(place, name) for name in sorted(files)):
            if _is_shard(path):
                yield path
            else:
                tally.add("files that are not shards", path.relative_to(folder).as_posix())


def _is_shard(path: Path) -> bool:
    """Also accept compressed shards, to refuse them later, unless a plain copy is beside them."""
    name = path.name.lower()
    bare = path.with_name(_COMPRESSED.sub(".tar", path.name))
    if name.startswith("."):
        return False
    return name.endswith(".tar") or bool(_COMPRESSED.search(name) and not bare.is_file())


def _once(base: Path, paths: Sequence[Path], tally: Tally) -> Iterator[tuple[str, Path]]:
    """Yield each shard once: an image found twice could be in the training and the test set."""
    seen = set[str]()
    for path in sorted(paths):
        name, real = Path(os.path.relpath(path, base)).as_posix(), os.path.realpath(path)
        if real in seen:
            tally.add("duplicate shards", name)
        else:
            yield name, path
        seen.add(real)


def _raise(error: OSError) -> None:
    raise error
