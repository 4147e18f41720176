"""FitResult of finished fits, kept so that no run fits the same thing again."""

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

from stackkit.evaluation.fit import Fit, FitResult

SUFFIX = ".npz"

ASIDE_S = 86_400.0
"""A file that is being made is finished or failed within seconds; after so long it is a leftover."""

_NAME = re.compile(rf"[0-9a-f]{{32}}{re.escape(SUFFIX)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedFit:
    """A kept fit as a file; `used` is seconds since 1970."""

    path: Path
    size: int
    used: float

    @property
    def removable(self) -> bool:
        """Always: what depends on it is fitted again."""
        return True

    def remove(self) -> bool:
        """Remove it unless it was used since it was looked at; whether it is gone."""
        with suppress(OSError):
            if self.path.stat().st_mtime == self.used:
                self.path.unlink()
                return True
        return False


def kept_files(folder: Path) -> list[CachedFit]:
    """Every kept fit of a folder, by name; files of other names are not ours."""
    return [file for file in _files(folder, f"*{SUFFIX}") if _NAME.fullmatch(file.path.name)]


def leftovers(folder: Path, now: float) -> list[CachedFit]:
    """Files that were being made when their process was killed; those being made now are younger."""
    return [file for file in _files(folder, f".*{SUFFIX}.*") if now - file.used > ASIDE_S]


def _files(folder: Path, pattern: str) -> Iterator[CachedFit]:
    for path in sorted(folder.glob(f"[0-9a-f][0-9a-f]/{pattern}")):
        with suppress(FileNotFoundError):  # a run has finished it, or another cleaning removed it
            status = path.stat()
            yield CachedFit(path=path, size=status.st_size, used=status.st_mtime)


class FitCache:
    """A folder of answers, each file named by everything that they depend on; None keeps nothing.

    A file is written aside and renamed. NumPy's zip archives carry a CRC-32 of every array: a file
    that is cut short or damaged is no file, and its fit is done again.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._may_write = True
        self._problem: str | None = None

    def find(self, fit: Fit) -> FitResult | None:
        """The answers of a fit, None if they are not here."""
        if self._folder is None:
            return None
        path = _path(self._folder, fit)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            answers = FitResult(converged=bool(arrays.pop("converged")), **arrays)
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        with suppress(OSError):
            os.utime(path)  # the time of last use, which cleaning goes by
        return answers

    def keep(self, fit: Fit, answers: FitResult) -> None:
        """Keep them if that is possible: a full disk costs a later run time, and this one nothing."""
        if self._folder is None or not self._may_write:
            return
        path = _path(self._folder, fit)
        aside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        arrays: dict[str, Any] = {
            name: value
            for name in ("labels", "converged", "probabilities", "in_sample")
            if (value := getattr(answers, name)) is not None
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                np.savez(file, **arrays)
            aside.replace(path)
        except OSError as error:
            self._problem = f"{path.parent}: {error.strerror or error}"
            self._may_write = False
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def problem(self) -> str | None:
        """Why no more is kept; None if all is well, and once it has been said."""
        problem, self._problem = self._problem, None
        return problem


def _path(folder: Path, fit: Fit) -> Path:
    return folder / fit.digest[:2] / f"{fit.digest}{SUFFIX}"
