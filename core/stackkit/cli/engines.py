"""The disk that backbones' converted networks take, and how to have it back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stackkit.api.paths import engines_dir


def engines() -> list[dict[str, Any]]:
    """Path and size of what each backbone keeps in the engines folder."""
    return [
        {"path": str(each), "bytes": _size(each)}
        for each in sorted(engines_dir().glob("*"))
        if each.is_dir()
    ]


def remove(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove engines, which are made again when they are wanted; returns those that are gone."""
    for each in found:
        shutil.rmtree(each["path"], ignore_errors=True)
    return [each for each in found if not Path(each["path"]).exists()]


def total(found: Sequence[dict[str, Any]]) -> int:
    """Bytes of all."""
    return sum(each["bytes"] for each in found)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
