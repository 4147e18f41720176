"""The folders in which stackkit keeps what it downloads and computes."""

from __future__ import annotations

import os
from pathlib import Path

from stackkit.api.errors import UsageError


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return a path that a user wrote; `~` is the home folder, as in a shell.

    Parameters
    ----------
    text : str or os.PathLike
        The path, absolute or relative to the current folder. Shells expand `~` only at the start
        of a word, and so neither in `--out=~/results` nor in `root=~/photographs`.

    Returns
    -------
    pathlib.Path
        The path. A `~` that names no home folder stays as it is.

    """
    # Path.expanduser raises RuntimeError for `~nobody`; a shell leaves it as it is.
    return Path(os.path.expanduser(text))  # noqa: PTH111


def home() -> Path:
    """Return the managed folder: `$STACKKIT_HOME`, else the cache folder of the platform.

    Raises
    ------
    UsageError
        If the user has no home directory, as in some containers, and it is needed.

    """
    from platformdirs import user_cache_path

    chosen = os.environ.get("STACKKIT_HOME")
    try:
        folder = user_path(chosen) if chosen else user_cache_path("stackkit")
    except RuntimeError as error:  # neither HOME nor an entry in the list of users
        raise _no_home() from error
    if str(folder).startswith("~"):  # it could not be expanded
        raise _no_home()
    return folder


def _no_home() -> UsageError:
    given = os.environ.get("STACKKIT_HOME")
    problem = (
        f"STACKKIT_HOME={given} is in a home directory that does not exist"
        if given
        else "STACKKIT_HOME is not set, and you have no home directory to keep features in"
    )
    return UsageError(f"{problem}; set STACKKIT_HOME to the full path of a folder you can write to")


def datasets_dir() -> Path:
    """Return the folder into which `stackkit fetch` unpacks datasets.

    Returns
    -------
    pathlib.Path
        `datasets` in `$STACKKIT_HOME`. The folder may not exist yet.

    """
    return home() / "datasets"


def features_dir() -> Path:
    """Return the default folder of the feature store."""
    return home() / "features"


def fits_dir() -> Path:
    """Return the folder that caches the results of finished fits."""
    return home() / "fits"


def runs_dir() -> Path:
    """Return the folder for the records of runs that were started without --out."""
    return home() / "runs"


def models_dir() -> Path:
    """Return the folder for the weights of networks that came inside models."""
    return home() / "models"


def engines_dir() -> Path:
    """Return the folder for converted networks and for what backbones measured on this machine.

    Returns
    -------
    pathlib.Path
        `engines` in `$STACKKIT_HOME`. The folder may not exist yet. Its content can be deleted at any
        time, and must be specific to this machine: it is never copied to another one.

    """
    return home() / "engines"
