"""Where Keras keeps downloaded weights: the same answer as Keras', without importing it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_FALLBACK = Path("/tmp")  # noqa: S108 - Keras' choice, mirrored


def models_folder() -> Path:
    """The folder in which `keras.applications` looks for ImageNet weights.

    As in `keras.src.backend.config` and `keras.utils.get_file` (Keras 3.15): `$KERAS_HOME`, else
    `~/.keras`; where that cannot be written to, `/tmp/.keras`.
    """
    if "KERAS_HOME" in os.environ:
        home = os.environ["KERAS_HOME"]
    else:
        user = Path("~").expanduser()
        home = str((user if os.access(user, os.W_OK) else _FALLBACK) / ".keras")
    folder = Path(home).expanduser()
    if not home or not _can_be_written(folder):
        folder = _FALLBACK / ".keras"
    return folder / "models"


def downloaded_weights() -> dict[str, Any]:
    """What `stackkit doctor` tells about that folder."""
    folder = models_folder()
    sizes = [path.stat().st_size for path in folder.glob("*") if path.is_file()]
    writable = _can_be_written(folder)
    facts = {"folder": str(folder), "files": len(sizes), "bytes": sum(sizes), "writable": writable}
    if not writable:
        facts["problem"] = f"{folder} cannot be written; set KERAS_HOME to a folder that is yours"
    return facts


def _can_be_written(folder: Path) -> bool:
    # Keras makes the folder on import, so what counts is the nearest part of it that exists.
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
