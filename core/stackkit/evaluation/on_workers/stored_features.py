"""Refer to features by their files, which a worker memory-maps if it sees the same ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.features import Features
from stackkit.store.joined_rows import JoinedRows

MOST = 64
"""How many features of backbones a worker keeps open; they are open files, and take no memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedMatrix:
    """A matrix in C order at some offset, in bytes, in a file."""

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: str


class UnreadableError(Exception):
    """The files of some features are not there, or have other content; its text is their digest."""


def mapped_matrix(matrix: NDArray[Any]) -> MappedMatrix | None:
    """Return where a whole memory-mapped matrix is, or None if it is no such matrix."""
    base = matrix if isinstance(matrix, np.memmap) else matrix.base
    if not isinstance(base, np.memmap) or base.filename is None or not matrix.flags.c_contiguous:
        return None
    mapped, here = base.__array_interface__["data"][0], matrix.__array_interface__["data"][0]
    # A part of a matrix begins later or is shorter; its offset would be another one.
    if mapped != here or base.shape != matrix.shape or base.dtype != matrix.dtype:
        return None
    return MappedMatrix(
        path=str(base.filename), offset=base.offset, shape=base.shape, dtype=base.dtype.str
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFeatures:
    """The fields of `Features`, with files for its matrices and its digest to know them by.

    Several files have the rows of one matrix, one below the other.
    """

    label: str
    trained: bool
    matrices: tuple[tuple[MappedMatrix, ...], ...]
    digest: str


def parts_of(features: Features) -> list[tuple[NDArray[Any], ...]]:
    """Return the arrays that each matrix consists of, one below the other."""
    return [each.parts if isinstance(each, JoinedRows) else (each,) for each in features.matrices]


def stored(features: Features) -> StoredFeatures | None:
    """Return a reference to features in files, or None if some are in memory only."""
    files = [[mapped_matrix(part) for part in each] for each in parts_of(features)]
    known = tuple(tuple(part for part in each if part is not None) for each in files)
    if any(part is None for each in files for part in each):
        return None
    return StoredFeatures(
        label=features.label, trained=features.trained, matrices=known, digest=features.digest
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """The features that this process has opened and compared, the last used ones last."""

    known: OrderedDict[StoredFeatures, Features] = field(default_factory=OrderedDict)


_opened = _Opened()


def opened(reference: StoredFeatures, used_rows: NDArray[np.int64]) -> Features:
    """Memory-map features; they are read through and compared the first time.

    Raises
    ------
    UnreadableError
        If a file is not there, or has other features.

    """
    if reference in _opened.known:
        _opened.known.move_to_end(reference)
        return _opened.known[reference]
    try:
        matrices = tuple(map(_joined, reference.matrices))
    except (OSError, ValueError) as error:
        raise UnreadableError(reference.digest) from error
    features = Features(
        label=reference.label,
        trained=reference.trained,
        matrices=matrices,
        used_rows=used_rows,
    )
    # All of it, once: a file of the same name on another machine may differ in a few rows only.
    if features.digest != reference.digest:
        raise UnreadableError(reference.digest)
    _opened.known[reference] = features
    while len(_opened.known) > MOST:
        _opened.known.popitem(last=False)
    return features


def _joined(parts: Sequence[MappedMatrix]) -> NDArray[np.float32] | JoinedRows:
    mapped = [_mapped(part) for part in parts]
    # float16 is converted by JoinedRows, also if only one file has rows.
    return JoinedRows(mapped) if len(mapped) > 1 or mapped[0].dtype != np.float32 else mapped[0]


def _mapped(matrix: MappedMatrix) -> NDArray[Any]:
    mapped = np.memmap(Path(matrix.path), matrix.dtype, "r", matrix.offset, matrix.shape)
    return np.asarray(mapped)
