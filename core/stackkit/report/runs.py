"""Records of runs in STACKKIT_HOME/runs, so that a report can be made after a run without --out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.api.paths import runs_dir, user_path
from stackkit.report.report import FILE_NAME
from stackkit.store.keys import slug


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """The folder of a run: its name, size in bytes and when it was written, in seconds since 1970."""

    path: Path
    size: int
    used: float

    @property
    def removable(self) -> bool:
        """Nothing else needs a record."""
        return True


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
    for number in count(1):
        folder = runs_dir() / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()  # two runs in one second do not share a folder
        except FileExistsError:
            continue
        return folder
    raise AssertionError("count ends never")


def kept_runs() -> list[KeptRun]:
    """Return the records in STACKKIT_HOME/runs, newest first."""
    try:
        folders = sorted(runs_dir().iterdir(), key=_written, reverse=True)
    except OSError:
        return []
    return [_kept(each) for each in folders if (each / FILE_NAME).is_file()]


def find_run(given: str | None) -> Path:
    """Return the folder of a run.

    Parameters
    ----------
    given : str or None
        A folder, or the name of one in STACKKIT_HOME/runs; None for the latest of these.

    Raises
    ------
    UsageError
        If there is no such run.

    """
    if given is None:
        if found := kept_runs():
            return found[0].path
        raise UsageError(
            f"no run is kept in {runs_dir()}; give the folder that `stackkit run --out` wrote"
        )
    path, kept = user_path(given), runs_dir() / given
    if (path / FILE_NAME).is_file() or not (kept / FILE_NAME).is_file():
        return path  # `read_record` says what is wrong with it
    return kept


def _written(folder: Path) -> float:
    try:
        return (folder / FILE_NAME).stat().st_mtime
    except OSError:
        return 0.0


def _kept(folder: Path) -> KeptRun:
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    return KeptRun(path=folder, size=size, used=_written(folder))
