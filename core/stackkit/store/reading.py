"""Read the rows of feature files, one block at a time, whether they are in one file or in several."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stackkit.store.metadata import Contents
from stackkit.store.rows import Stored, intact_in, read_checksums, read_rows


def blocks(contents: Contents) -> Iterator[tuple[int, NDArray[np.uint32], Stored]]:
    """Yield the number of the first row, the checksums (k,) and the features (k, d) of every block.

    The rows are not checked.
    """
    first = 0
    for part in contents.with_rows:
        with part.path.open("rb", buffering=0) as file:
            for start, stop in part.layout.blocks():
                yield first + start, *read_rows(file, part.layout, start, stop)
        first += part.layout.count


def intact_rows(contents: Contents) -> Iterator[tuple[int, Stored]]:
    """Yield the number and features (d,) of every row that matches its checksum, in order."""
    for start, checksums, features in blocks(contents):
        for row in intact_in(checksums, features, contents.fingerprints, start):
            yield row, features[row - start]


def is_whole(contents: Contents, stored: int | None = None) -> bool:
    """Return whether all rows of readable images were written, of which `stored` are known to be."""
    stored = int(written(contents).sum()) if stored is None else stored
    # The texts of the rows are read only if some are missing: they may be of unreadable images.
    return stored == contents.layout.count or stored >= contents.rows.n_readable


def written(contents: Contents) -> NDArray[np.bool_]:
    """Return (n,) whether each row was written, by its checksum alone."""
    found = []
    for part in contents.with_rows:
        with part.path.open("rb", buffering=0) as file:
            found.append(read_checksums(file, part.layout) != 0)
    return np.concatenate(found)
