"""Refer to features by their files, which a worker memory-maps if it sees the same ones."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.features import Features

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


def mapped_matrix(matrix: NDArray[np.float32]) -> MappedMatrix | None:
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
    """The fields of `Features`, with files for its matrices and its digest to know them by."""

    label: str
    trained: bool
    matrices: tuple[MappedMatrix, ...]
    digest: str


def stored(features: Features) -> StoredFeatures | None:
    """Return a reference to features in files, or None if some are in memory only."""
    matrices = [mapped_matrix(each) for each in features.matrices]
    known = tuple(each for each in matrices if each is not None)
    if len(known) < len(matrices):
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
        matrices = tuple(map(_mapped, reference.matrices))
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


def _mapped(matrix: MappedMatrix) -> NDArray[np.float32]:
    mapped = np.memmap(Path(matrix.path), matrix.dtype, "r", matrix.offset, matrix.shape)
    return np.asarray(mapped)
