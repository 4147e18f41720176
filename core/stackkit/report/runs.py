"""Records of runs in STACKKIT_HOME/runs, so that a report can be made after a run without --out."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.api.paths import runs_dir, user_path
from stackkit.report.report import FILE_NAME
from stackkit.store.keys import slug

LEFTOVER_AGE_S = 3600
"""Age from which a folder without a report is what a killed run left, and no run in progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """The folder of a run: its size in bytes, and when the run ended, in seconds since 1970."""

    path: Path
    size: int
    used: float

    @property
    def dataset(self) -> str:
        """The dataset with its options; "" if report.json cannot be read."""
        try:
            document = json.loads((self.path / FILE_NAME).read_text(encoding="utf-8"))
            return str(document["dataset"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""


def new_run_folder(dataset: str, now: datetime) -> Path:
    """Create and return a folder such as `20261126T184500Z-cub200` for the record of a run.

    Parameters
    ----------
    dataset : str
        Name and options of the dataset; its name becomes part of that of the folder.
    now : datetime
        The time of the run, in UTC.

    Raises
    ------
    OSError
        If it cannot be created.

    """
    name = f"{now:%Y%m%dT%H%M%SZ}-{slug(dataset.split(':')[0]) or 'dataset'}"
    runs_dir().mkdir(parents=True, exist_ok=True)
    numbered = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(filter(None, (_created(runs_dir() / each) for each in numbered)))


def _created(folder: Path) -> Path | None:
    """Create a folder; return None if there is one, which is another run's of the same second."""
    try:
        folder.mkdir()
    except FileExistsError:
        return None
    return folder


def kept_runs() -> list[KeptRun]:
    """Return the records in STACKKIT_HOME/runs, newest first."""
    found = [_kept(each) for each in _folders() if _holds_run(each)]
    return sorted(found, key=lambda run: run.used, reverse=True)


def leftovers(now: float) -> list[KeptRun]:
    """Return the folders of killed runs; `now` in seconds since 1970."""
    found = [_kept(each) for each in _folders() if not _holds_run(each)]
    return [each for each in found if now - each.used > LEFTOVER_AGE_S]


def find_run(given: str | None) -> Path:
    """Return the folder of a run.

    Parameters
    ----------
    given : str or None
        A folder, report.json in it, or the name of one in STACKKIT_HOME/runs; None for the latest of
        these.

    Raises
    ------
    UsageError
        If no run is kept.

    """
    if given is None:
        if found := kept_runs():
            return found[0].path
        raise UsageError(
            f"no run is kept in {runs_dir()}; give the folder that `stackkit run --out` wrote"
        )
    path = user_path(given)
    if path.name == FILE_NAME and path.is_file():
        return path.parent
    if not _holds_run(path) and _is_name(given) and _holds_run(kept := runs_dir() / given):
        return kept
    return path  # if it holds no run, `read_record` says so


def _is_name(given: str) -> bool:
    return Path(given).name == given


def _holds_run(folder: Path) -> bool:
    # os.path, because Path.is_file may raise PermissionError.
    return os.path.isfile(folder / FILE_NAME)  # noqa: PTH113


def _folders() -> list[Path]:
    try:
        return [each for each in runs_dir().iterdir() if each.is_dir()]
    except OSError:
        return []


def _kept(folder: Path) -> KeptRun:
    report = folder / FILE_NAME
    used = next(filter(None, map(_stat, (report, folder))), None)
    size = sum(found.st_size for each in folder.rglob("*") if each.is_file() and (found := _stat(each)))
    return KeptRun(path=folder, size=size, used=used.st_mtime if used else 0)


def _stat(path: Path) -> os.stat_result | None:
    """Return what the file system says; None for a file that another process has removed just now."""
    try:
        return path.stat()
    except OSError:
        return None
