"""The part of pathlib that datasets use, for a URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from stackkit_plugins.shared.storage.filesystems import filesystem, reached


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A file or folder in object storage.

    Parameters
    ----------
    root : str
        The URL of a folder, such as "s3://bucket/birds", without "/" at its end.
    below : str
        The path below it, such as "heron/1.jpg"; "" is the folder itself. Characters that have a meaning
        in URLs have none here.

    """

    root: str
    below: str = ""

    def __str__(self) -> str:
        return f"{self.root}/{self.below}" if self.below else self.root

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(self.root, "/".join(part for part in (self.below, name.strip("/")) if part))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return str(self).rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The file extension with its dot, or ""."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> RemotePath:
        """The folder that this is in."""
        if self.below:
            return RemotePath(self.root, self.below.rpartition("/")[0])
        return RemotePath(self.root.rpartition("/")[0])

    def as_posix(self) -> str:
        """Return the URL."""
        return str(self)

    def open(self) -> tuple[Any, str]:
        """Return fsspec's file system and the path in it, as `filesystem` does."""
        files, base = filesystem(self.root)
        return files, f"{base}/{self.below}" if self.below else base

    def read_bytes(self, end: int | None = None) -> bytes:
        """Return the content, or its first `end` bytes.

        Raises
        ------
        FileNotFoundError
            If there is no object of this name, or no bucket.
        StorageError
            If it cannot be read. Transient failures were tried again, as often as fsspec's package does.

        """
        with reached():
            files, path = self.open()
            # A range, since s3fs asks for the size of an object before it reads all of it.
            found: bytes = files.cat_file(path, start=0 if end else None, end=end)
            return found

    def info(self) -> dict[str, Any]:
        """Return what the storage says about an object now; raises as `read_bytes` does."""
        with reached():
            files, path = self.open()
            files.invalidate_cache()
            found: dict[str, Any] = files.info(path)
            return found

    def exists(self) -> bool:
        """Return whether there is an object or a folder; raises StorageError if that is not known."""
        try:
            self.info()
        except FileNotFoundError:
            return False
        return True


Location: TypeAlias = Path | RemotePath
"""Where a file or folder is."""
