"""Convert the text of an option to its value; `click_commands` puts the option's name before errors.

Each function is the `parser=` of options. It also gets defaults, which have their type already.
"""

from __future__ import annotations

from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.api.paths import user_path


def whole_number(text: str | int) -> int:
    """Return an integer; raises UsageError for other text."""
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"must be a whole number, got {text!r}") from None


def number(text: str | float) -> float:
    """Return a number; raises UsageError for other text."""
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"must be a number, got {text!r}") from None


def path(text: str | Path) -> Path:
    """Return a path that need not exist."""
    return user_path(text)


def existing_file(text: str | Path) -> Path:
    """Return the path of a file; raises UsageError if there is none."""
    found = user_path(text)
    if found.exists() and not found.is_dir():
        return found
    reason = "is a folder" if found.is_dir() else "does not exist"
    raise UsageError(f"must be a file, but {found} {reason}")


def existing_folder(text: str | Path) -> Path:
    """Return the path of a folder; raises UsageError if there is none."""
    found = user_path(text)
    if found.is_dir():
        return found
    reason = "is a file" if found.exists() else "does not exist"
    raise UsageError(f"must be a folder, but {found} {reason}")
