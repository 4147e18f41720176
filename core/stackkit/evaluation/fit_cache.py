"""Cache the results of finished fits, so that a rerun fits only what is new."""

from __future__ import annotations

import os
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackkit.api.state import State
from stackkit.bundle.states import state_from, state_members
from stackkit.evaluation.fit import Fit, FitResult
from stackkit.utils.files import atomic_write

SUFFIX = ".npz"

_STATE = "state"
"""Name of the state of a fitted classifier, whose members are those of a bundle."""

LEFTOVER_AGE_S = 86_400.0
"""Age in seconds from which a temporary file counts as a leftover; writing one takes seconds at most."""

_NAME = re.compile(rf"[0-9a-f]{{32}}{re.escape(SUFFIX)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedFit:
    """A file of the cache; `size` in bytes, `used` (time of last use) in seconds since 1970."""

    path: Path
    size: int
    used: float

    @property
    def removable(self) -> bool:
        """Always True: a fit that is missing is run again."""
        return True

    def remove(self) -> bool:
        """Remove the file unless it was used since it was listed; return whether it was removed."""
        with suppress(OSError):
            if self.path.stat().st_mtime == self.used:
                self.path.unlink()
                return True
        return False


def cached_fits(folder: Path) -> list[CachedFit]:
    """List the cached fits of a folder by name; files with other names are left alone."""
    return [file for file in _files(folder, f"*{SUFFIX}") if _NAME.fullmatch(file.path.name)]


def leftovers(folder: Path, now: float) -> list[CachedFit]:
    """List temporary files of killed processes; `now` in seconds since 1970."""
    # `atomic_write` names temporary files .NAME.RANDOM. Young ones may belong to a run in progress.
    return [file for file in _files(folder, f".*{SUFFIX}.*") if now - file.used > LEFTOVER_AGE_S]


def _files(folder: Path, pattern: str) -> Iterator[CachedFit]:
    for path in sorted(folder.glob(f"[0-9a-f][0-9a-f]/{pattern}")):
        with suppress(FileNotFoundError):  # a run renamed it, or another cleanup removed it
            status = path.stat()
            yield CachedFit(path=path, size=status.st_size, used=status.st_mtime)


_READING = threading.Lock()
"""Held while a file is read: NumPy parses headers with `ast`, where Python 3.11 raises SystemError if a
garbage collection lets another thread parse meanwhile (CPython's issue 106905)."""


class FitCache:
    """A folder with one file per fit, named by the fit's digest; without a folder nothing is cached.

    Notes
    -----
    Files need no locks. A file is complete when it appears under its name, and two processes that write
    the same name write the same content, except for the time that the fit took. NumPy's archives hold a
    CRC-32 of every array, so a damaged file is detected when it is read; it counts as missing and is
    replaced.

    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._can_write = True
        self._failure = threading.Lock()
        self._problem: str | None = None

    def load(self, fit: Fit) -> FitResult | None:
        """Return the cached result of a fit, or None."""
        if self._folder is None:
            return None
        path = _path(self._folder, fit)
        try:
            with _READING, np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            state = _state(arrays)
            result = FitResult(
                converged=bool(arrays.pop("converged")),
                views=str(arrays.pop("views", "")),
                probabilistic=bool(arrays.pop("probabilistic", False)),
                seconds=_seconds(arrays.pop("seconds", None)),
                state=state,
                **arrays,
            )
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # missing, truncated, damaged, or an archive with other arrays
        with suppress(OSError):
            os.utime(path)  # `fits gc` removes fits by the time of last use
        return result

    def save(self, fit: Fit, result: FitResult) -> None:
        """Save a result; if the disk refuses, stop saving for this run and remember why."""
        if self._folder is None or not self._can_write:
            return
        if result.fitted is not None and result.state is None:
            return  # the classifier cannot outlive the process, so this fit is run again
        path = _path(self._folder, fit)
        arrays: dict[str, Any] = {
            name: value
            for name in ("labels", "converged", "probabilities", "in_sample", "scores")
            if (value := getattr(result, name)) is not None
        }
        if result.views:
            arrays["views"] = result.views
        if result.probabilistic:
            arrays["probabilistic"] = True
        if result.seconds is not None:
            arrays["seconds"] = result.seconds
        if result.state is not None:
            members = state_members(_STATE, result.state)
            arrays |= {name: np.frombuffer(value, np.uint8) for name, value in members.items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # An open file, because np.savez appends ".npz" to paths that end differently.
            with atomic_write(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **arrays)
        except OSError as error:
            with self._failure:  # fits run in threads: several may meet the full disk, one reports it
                if self._can_write:
                    self._problem = f"{path.parent}: {error.strerror or error}"
                    self._can_write = False

    def take_problem(self) -> str | None:
        """Return why results are no longer saved, once; afterwards, or if all is well, None."""
        problem, self._problem = self._problem, None
        return problem


def _path(folder: Path, fit: Fit) -> Path:
    return folder / fit.digest[:2] / f"{fit.digest}{SUFFIX}"


def _seconds(stored: Any) -> float | None:
    """Return the stored time; None in a file of a version that did not measure it."""
    return None if stored is None else float(stored)


def _state(arrays: dict[str, Any]) -> State | None:
    """Take the members of a state out of the arrays; None if there are none."""
    document, values = arrays.pop(f"{_STATE}.json", None), arrays.pop(f"{_STATE}.safetensors", None)
    if document is None:
        return None
    return state_from(document.tobytes(), None if values is None else values.tobytes())
