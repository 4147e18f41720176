"""Create a feature file with the rows that other files have, and remove those that it supersedes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from stackkit.api.errors import StoreError
from stackkit.store.create import create_file, sync_folder
from stackkit.store.integrity import FORMAT_VERSION
from stackkit.store.keys import BackboneKey, DatasetRows
from stackkit.store.locks import locked, locked_temporary, remove_idle, require_unlocked
from stackkit.store.metadata import Contents, read_contents
from stackkit.store.reuse import Source, copy_known_rows, source_at
from stackkit.store.rows import RowLayout

TEMPORARY_FILES = ".*.h5.*"
"""Glob pattern of files that are being created, or were when their process was killed."""


def must_recreate(path: Path, contents: Contents, provenance: Mapping[str, Any]) -> bool:
    """Return whether the file is in an older format, or would get rows with an unrecorded origin.

    The provenance cannot be changed in place: the seal covers it.
    """
    if contents.version < FORMAT_VERSION:
        return True
    if not provenance:
        return False
    known = _distinct(contents.provenance)
    if len(_distinct([*known, provenance])) == len(known):
        return False
    # The origin is new. It has to be recorded only if there is a row left to write.
    readable = set(filter(None, contents.fingerprints))
    return not readable <= Source.of(contents).intact_fingerprints(contents.key.dtype)


def create_with_known_rows(
    path: Path, key: BackboneKey, rows: DatasetRows, provenance: Mapping[str, Any]
) -> None:
    """Create the file under a temporary name, copy the rows that are stored, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A process that was killed while it created a file left it under its temporary name, with the disk
    # space for all rows.
    for leftover in path.parent.glob(TEMPORARY_FILES):
        remove_idle(leftover)
    # Not `atomic_write`, because the rename must happen under two locks. The lock on the old file keeps
    # other processes from writing rows that would not be copied. The lock on the temporary file keeps
    # them from removing it as a leftover; `atomic_write` renames after it is closed.
    with locked(path) as existed, locked_temporary(path) as (temporary, file):

        def fill(layout: RowLayout) -> list[Any]:
            origins = copy_known_rows(file, layout, path, key, rows)
            return _distinct([*origins, provenance] if provenance else origins)

        create_file(temporary, file, key, rows, fill)
        if not existed and path.exists():
            # Another process has created the file in the meantime, and must not lose it while it is
            # writing. Once it has ended, its rows are merely computed again.
            require_unlocked(path)
        temporary.replace(path)
    sync_folder(path.parent)
    if rows.shard is None:  # the rows of one shard do not tell which files all of them supersede
        _remove_superseded(path, key, rows)


def _remove_superseded(path: Path, key: BackboneKey, rows: DatasetRows) -> None:
    """Remove older files of the same dataset if all their rows are in the file at `path`."""
    known: set[bytes] | None = None
    for older in _older(path, key, rows):
        with suppress(StoreError, OSError):  # a file that stays costs disk space and nothing else
            if known is None:  # only now: reading all rows takes long, and mostly there is no older file
                source = source_at(path, key, rows)
                known = source.intact_fingerprints(key.dtype) if source else set()
            parts = (Source.of(part).intact_fingerprints(key.dtype) for part in older.with_rows)
            found = set[bytes]().union(*parts)
            if found and found <= known:
                # An index first: without its shards it would count as damaged.
                for each in (older, *older.shards):
                    remove_idle(each.path)


def _older(path: Path, key: BackboneKey, rows: DatasetRows) -> list[Contents]:
    """Return the other files of the same dataset and setting; an index stands for its shards, too."""
    found = []
    for each in path.parent.glob("*.h5"):
        with suppress(StoreError, OSError):
            contents = read_contents(each)
            if each != path and contents.dataset == rows.dataset and contents.key == key:
                found.append(contents)
    joined = {part.path for each in found for part in each.shards}
    return [each for each in found if each.path not in joined]


def _distinct(origins: Sequence[Any]) -> list[Any]:
    # Compared as JSON, as they are stored: new origins may have tuples where stored ones have lists.
    texts = {json.dumps(origin, sort_keys=True, default=str): origin for origin in origins}
    return list(texts.values())
