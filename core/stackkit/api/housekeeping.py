"""Files and folders that operating systems, NAS and synchronisation leave between photographs."""

from __future__ import annotations

import re

_NAMES = frozenset(
    {
        # macOS: forked attributes in zip archives, and shared volumes
        "__macosx",
        "network trash folder",
        "temporary items",
        "thevolumesettingsfolder",
        # Windows
        "$recycle.bin",
        "system volume information",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        # Linux and Android
        "lost+found",
        "lost.dir",
        # Synology
        "@eadir",
        "#recycle",
        "#snapshot",
        "@sharebin",
        "@tmp",
        "@synologycloudsync",
        # QNAP
        "@recycle",
        "@recently-snapshot",
        "@__thumb",
        # NetApp
        "~snapshot",
        # Python
        "__pycache__",
    }
)
_PATTERNS = re.compile(r"found\.\d{3}|syno(photo|file|index)_(thumb|media|film).*", re.IGNORECASE)
"""Folders of Windows' chkdsk, and thumbnails that Synology writes into `@eaDir`."""


def is_housekeeping(name: str) -> bool:
    """Return whether a file or folder has nothing to do with the photographs around it.

    Parameters
    ----------
    name : str
        Its name, without folders. Names that start with "." are hidden, which is another reason to leave
        a file out.

    """
    return name.casefold() in _NAMES or _PATTERNS.fullmatch(name) is not None
