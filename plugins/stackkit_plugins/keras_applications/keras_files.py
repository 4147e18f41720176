"""Find the folder of Keras' downloaded weights without importing Keras, which takes seconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_FALLBACK = Path("/tmp")  # noqa: S108 - where Keras itself falls back to


def models_folder() -> Path:
    """Return the folder in which `keras.applications` looks for ImageNet weights.

    The same rules as in `keras.src.backend.config` and `keras.utils.get_file` (Keras 3.15):
    `$KERAS_HOME`, else `~/.keras`; if that is not writable, `/tmp/.keras`.
    """
    if "KERAS_HOME" in os.environ:
        home = os.environ["KERAS_HOME"]
    else:
        user = Path("~").expanduser()
        home = str((user if os.access(user, os.W_OK) else _FALLBACK) / ".keras")
    folder = Path(home).expanduser()
    if not home or not _is_writable(folder):
        folder = _FALLBACK / ".keras"
    return folder / "models"


def downloaded_weights() -> dict[str, Any]:
    """Describe that folder for `stackkit doctor`."""
    folder = models_folder()
    sizes = [path.stat().st_size for path in folder.glob("*") if path.is_file()]
    writable = _is_writable(folder)
    facts = {"folder": str(folder), "files": len(sizes), "bytes": sum(sizes), "writable": writable}
    if not writable:
        facts["problem"] = f"{folder} is not writable; set KERAS_HOME to a writable folder"
    return facts


def _is_writable(folder: Path) -> bool:
    # Keras creates the folder on import, so the nearest existing parent decides.
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
