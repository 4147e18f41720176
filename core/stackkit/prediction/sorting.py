"""Sort image files into a folder per class, by copies or links; nothing is replaced or removed."""

from __future__ import annotations

import errno
import filecmp
import os
import platform
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from stackkit.prediction.record import Prediction

How: TypeAlias = Literal["copy", "link", "hardlink"]
"""copy: a file of its own. link: a symbolic link. hardlink: another name of the same file."""

NOVEL, UNSURE = "_novel", "_unsure"
"""Folders of images that look unlike the training images, and of those whose label is not accepted."""

_LONGEST = 100
"""Characters of the name of a folder, at most; file systems take 255 bytes."""

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
"""Characters that Linux, macOS or Windows allows in no file name."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows."""

_UNFINISHED = f".stackkit-{platform.node() or 'machine'}-".replace("/", "_")
"""Copies have this name and the number of the process until they are complete."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def folder_names(classes: Sequence[str]) -> list[str]:
    """Return a folder name for each class that every file system takes; different for each class.

    Parameters
    ----------
    classes : sequence of str
        The names of the classes.

    Returns
    -------
    list of str
        The names themselves where they are possible. Else other characters become "_", and a number is
        added where two would have the same name, also on systems that ignore upper and lower case or how
        an accent is composed.

    """
    taken, names = {NOVEL, UNSURE}, []
    for name in classes:
        safe = _safe(name)
        number, unique = 1, safe
        while _alike(unique) in taken:
            number += 1
            unique = f"{safe}-{number}"
        taken.add(_alike(unique))
        names.append(unique)
    return names


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _safe(name: str) -> str:
    text = name.encode("utf-8", "replace").decode("utf-8")
    text = _UNSAFE.sub("_", text)
    text = "".join(c if c.isprintable() else "_" for c in text)[:_LONGEST].rstrip(" .").strip()
    if not text or text.startswith(".") or _RESERVED.fullmatch(text):
        text = f"_{text}"
    while len(text.encode()) > 2 * _LONGEST:
        text = text[:-1]
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """Where an image was put, or would be with `dry_run`.

    Parameters
    ----------
    target : Path
        Its path in the folder of its class.
    was_there : bool
        Whether it had been put there before.

    """

    target: Path
    was_there: bool = False


@dataclass(kw_only=True)
class Sorter:
    """Puts images into folders below `root`.

    Parameters
    ----------
    root : Path
        Where the folders of the classes are; created when it is needed.
    classes : sequence of str
        The names of the classes.
    how : {"copy", "link", "hardlink"}
        What is put there.
    dry_run : bool
        Only say where images would be put.

    """

    root: Path
    classes: Sequence[str]
    how: How = "copy"
    dry_run: bool = False
    _folders: dict[str, str] = field(init=False)
    _planned: set[Path] = field(init=False, default_factory=set)
    _made: set[Path] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._folders = dict(zip(self.classes, folder_names(self.classes), strict=True))

    def put(self, path: Path, prediction: Prediction) -> Sorted:
        """Put an image where it belongs.

        A file of the same name that is there already is kept: the image gets a number in its name,
        unless it is the very same image.

        Raises
        ------
        OSError
            If the file cannot be put there; nothing is left behind.

        """
        folder = self.root / self.folder_of(prediction)
        number = 1
        while True:
            name = path.name if number == 1 else f"{path.stem}-{number}{path.suffix}"
            target = folder / name
            if self.dry_run and target not in self._planned and not os.path.lexists(target):
                self._planned.add(target)
                return Sorted(target=target)
            if os.path.lexists(target):
                if self._is_same(path, target):
                    return Sorted(target=target, was_there=True)
            elif not self.dry_run:
                self._make(folder)
                if self._create(path, target):
                    return Sorted(target=target)
                continue  # somebody else has created it meanwhile: look at it again
            number += 1

    def folder_of(self, prediction: Prediction) -> str:
        """Return the name of the folder that an image belongs to."""
        if prediction.novel:
            return NOVEL
        return self._folders[prediction.label] if prediction.accepted else UNSURE

    def _make(self, folder: Path) -> None:
        """Create a folder, and remove what killed processes have left in it, once."""
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
            self._made.add(folder)

    def _is_same(self, path: Path, target: Path) -> bool:
        """Return whether what is there was made of this file, and in this way."""
        if target.is_symlink() or self.how == "link":
            return target.is_symlink() and self.how == "link" and target.readlink() == _absolute(path)
        try:
            is_same_file = target.samefile(path)
            return is_same_file if self.how == "hardlink" else filecmp.cmp(path, target, shallow=False)
        except OSError:
            return False

    def _create(self, path: Path, target: Path) -> bool:
        """Create the whole file, or nothing; return False if the name is taken."""
        try:
            if self.how == "link":
                target.symlink_to(_absolute(path))
            elif self.how == "hardlink":
                _link(path, target)
            else:
                _copy(path, target)
        except FileExistsError:
            return False
        return True


def _link(path: Path, target: Path) -> None:
    try:
        target.hardlink_to(path.resolve())
    except OSError as error:
        if error.errno in _NO_LINKS | {errno.EXDEV}:
            reason = "no hard link is possible there; use --how copy or --how link"
            raise OSError(error.errno, reason) from error
        raise


def _copy(path: Path, target: Path) -> None:
    """Copy a file with its times; raises FileExistsError if the target exists."""
    # Not with the name of the file in it, which may be as long as names can be.
    temporary = target.with_name(f"{_UNFINISHED}{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # a link there would be written through
        shutil.copy2(path, temporary)
        try:
            # Unlike a rename, a hard link is refused if the name is taken.
            target.hardlink_to(temporary)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove the unfinished copies of processes of this machine that have ended."""
    if sys.platform == "win32":  # os.kill would end the process there
        return
    for left in folder.glob(f"{_UNFINISHED}*"):
        number = left.name.removeprefix(_UNFINISHED)
        if number.isdecimal() and not _is_alive(int(number)):
            left.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links of the user
