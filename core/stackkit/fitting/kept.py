"""Answers of finished fits, kept so that no run fits the same thing again."""

from __future__ import annotations

import os
import threading
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from stackkit.fitting.fit import Answers

SUFFIX = ".npz"


class KeptFits:
    """A folder of answers, each file named by everything that they depend on; None keeps nothing.

    A file is written aside and renamed. NumPy's zip archives carry a CRC-32 of every array: a file
    that is cut short or damaged is no file, and its fit is done again.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._problem: str | None = None

    def find(self, digest: str) -> Answers | None:
        """The answers of the fit of this name, None if they are not here."""
        if self._folder is None:
            return None
        path = self._path(self._folder, digest)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            answers = Answers(converged=bool(arrays.pop("converged")), **arrays)
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        with suppress(OSError):
            os.utime(path)  # the time of last use, which cleaning goes by
        return answers

    def keep(self, digest: str, answers: Answers) -> None:
        """Keep them if that is possible: a full disk costs a later run time, and this one nothing."""
        if self._folder is None:
            return
        path = self._path(self._folder, digest)
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
            self._folder = None
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def problem(self) -> str | None:
        """Why nothing is kept any more; None if all is well, and once it has been said."""
        problem, self._problem = self._problem, None
        return problem

    @staticmethod
    def _path(folder: Path, digest: str) -> Path:
        return folder / digest[:2] / f"{digest}{SUFFIX}"
