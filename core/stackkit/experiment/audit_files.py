"""Write an audit to a folder: a table to work through, JSON for programs, and a page with images."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.evidence.gathering import SHOWN_PER_KIND
from stackkit.experiment.audit import Audited, shown_images
from stackkit.html_report.audit_page import audit_page
from stackkit.utils.files import atomic_write, require_writable

CSV, JSON, PAGE = "audit.csv", "audit.json", "audit.html"


def prepare(folder: Path, *, overwrite: bool) -> None:
    """Create the folder and check that files can be written to it, before hours of work.

    Raises
    ------
    UsageError
        If the folder holds an audit and `overwrite` is False, or cannot be created or written.

    """
    for name in (CSV, JSON, PAGE):
        if os.path.lexists(folder / name) and not overwrite:
            raise UsageError(f"{folder / name} exists; choose another --out, or pass --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_writable(folder / CSV)
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise UsageError(
            f"--out {folder} cannot be written ({reason}); choose another folder"
        ) from error


def write(audited: Audited, folder: Path) -> Iterator[Path]:
    """Write audit.csv, audit.json and audit.html, and yield the path of each as soon as it is written.

    Raises
    ------
    UsageError
        If a file cannot be written.

    """
    report = audited.report
    yield _write(folder / CSV, report.csv())
    yield _write(folder / JSON, json.dumps(report.document(), indent=2) + "\n")
    thumbnails = audited.thumbnails(shown_images(report.audit, SHOWN_PER_KIND))
    yield _write(folder / PAGE, audit_page(report, thumbnails))


def _write(path: Path, content: str) -> Path:
    try:
        with atomic_write(path) as temporary:
            # An id is a file name, which may hold bytes that are not UTF-8.
            temporary.write_text(content, encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another --out") from error
    return path
