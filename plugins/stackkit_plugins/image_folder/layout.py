"""Find out which folders are classes and which are splits, and refuse what could be either.

A wrong guess here gives a figure that looks right: with `train` and `test` taken for classes, the
classifiers learn to tell the two apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from stackkit.api import DatasetError
from stackkit_plugins.image_folder.scan import Folder, Ignored
from stackkit_plugins.shared.image_lists.names import split_of

Layout = Literal["auto", "classes", "splits"]

EXPECTED = "one folder per class, optionally in train/, val/ and test/"
# Compared without their last "s".
_IMAGES = frozenset({"image", "img", "photo", "picture", "jpegimage", "rgb"})
_MASKS = frozenset(
    {"mask", "label", "annotation", "segmentation", "segmentationclas", "groundtruth", "gt", "trimap"}
)


_OF_SPLITS = (
    "name the folders of an official split train, val and test (layout=splits ignores other folders), "
    "let root= name the folder that contains the class folders, or add layout=classes if every folder "
    "is a class"
)
_OF_CLASSES = (
    "let every folder in train, val and test contain the images of one class, or add layout=splits if "
    "every folder does"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolder:
    """The images of one class in one folder, and their official split if there are splits.

    Attributes
    ----------
    name : str
        The name of the class in Unicode form NFC.
    split : {"train", "val", "test"} or None
    images : tuple of str
        Paths relative to the root, as the file system spells them.

    """

    name: str
    split: str | None
    images: tuple[str, ...]


def class_folders(root: Folder, layout: Layout, ignored: Ignored) -> list[ClassFolder]:
    """Return the class folders below the root.

    Parameters
    ----------
    root : Folder
        The root with everything below it.
    layout : {"auto", "classes", "splits"}
        What the user says that the folders in the root are. "auto": splits if `train` and at least one
        other folder are named like splits and no other folder has images, else classes.
    ignored : Ignored
        Where files and folders that become no samples are added.

    Raises
    ------
    DatasetError
        If there are no class folders, or with "auto" if the folders could be classes as well as splits.
        The text continues a sentence that begins with the path of the root.

    """
    splits = [folder for folder in root.folders if split_of(folder.name)]
    others = [folder for folder in root.folders if not split_of(folder.name)]
    beside = any(folder.has_images() for folder in others)
    are_splits = len(splits) > 1 and "train" in {split_of(folder.name) for folder in splits}
    if layout == "splits" or (layout == "auto" and are_splits and not beside):
        for folder in others:
            ignored.add("folders beside the splits", folder.path)
        found = _in_splits(root, splits, layout)
    else:
        if layout == "auto":
            _refuse_doubtful(root.folders)
        found = [(None, folder) for folder in root.folders]
    _ignore_files([root, *(splits if found and found[0][0] else [])], ignored)
    if not found:
        raise DatasetError(f"has no class folders; expected {EXPECTED}")
    return [_class_folder(split, folder, ignored) for split, folder in found]


def _class_folder(split: str | None, top: Folder, ignored: Ignored) -> ClassFolder:
    images = []
    for folder in top.walk():
        images += folder.images
        for path, reason in folder.others:
            ignored.add(reason, path)
    return ClassFolder(name=top.name, split=split, images=tuple(images))


def _in_splits(
    root: Folder, splits: Sequence[Folder], layout: Layout
) -> list[tuple[str | None, Folder]]:
    if not splits:
        raise DatasetError(
            f"has no folder named like a split, only {_slashed(root.folders)}; name them train, val and "
            "test, or remove layout=splits"
        )
    first: dict[str | None, Folder] = {}
    for folder in splits:
        split = split_of(folder.name)
        if split in first:
            raise DatasetError(
                f"has two folders for the split {split}, {_slashed([first[split], folder])}; merge "
                "them, or move one elsewhere"
            )
        first[split] = folder
        if split == "train" and not folder.folders:
            raise DatasetError(f"has no class folders in {folder.path}/; expected {EXPECTED}")
        _refuse_wrapped(folder)
        if layout == "auto":
            _refuse_nested(folder.folders, _OF_CLASSES)
    return [(split, below) for split, folder in first.items() for below in folder.folders]


def _ignore_files(folders: Iterable[Folder], ignored: Ignored) -> None:
    for folder in folders:
        for path in [*folder.images, *(path for path, _ in folder.others)]:
            ignored.add("files outside any class folder", path)


def _refuse_wrapped(split: Folder) -> None:
    """Refuse train/train/cat, as archives are often unpacked: the class would be "train"."""
    below = [folder for folder in split.folders if folder.has_images()]
    if len(below) == 1 and (split_of(below[0].name) or below[0].name == split.name):
        raise DatasetError(
            f"has only {_slashed(below)} in {split.path}/, which is no class; move its content one "
            "folder up"
        )


def _refuse_doubtful(tops: Iterable[Folder]) -> None:
    """Refuse folders that are probably not the classes."""
    folders = [folder for folder in tops if folder.has_images()]
    splits = [folder for folder in folders if split_of(folder.name)]
    if len(splits) == len(folders) > 1:
        raise DatasetError(
            f"has only folders that are named like splits, {_slashed(splits)}, but none for training; "
            f"{_OF_SPLITS}"
        )
    _refuse_nested(folders, _OF_SPLITS)
    flat = [folder for folder in folders if folder.images]
    for folder in splits:
        inside = _names_inside(folder)
        beside = {other.name for other in folders if other is not folder}
        if again := beside & {below.name for below in folder.folders if below.has_images()}:
            raise DatasetError(
                f"has folders of the same name in {folder.path}/ and beside it ({_some(again)}); "
                f"{_OF_SPLITS}"
            )
        if len(inside) > 1 and flat and not folder.images:
            raise DatasetError(
                f"has {folder.path}/, named like a split and with subfolders like classes "
                f"({_some(inside)}), beside {_slashed(flat)}; {_OF_SPLITS}"
            )


def _refuse_nested(folders: Sequence[Folder], remedy: str) -> None:
    """Refuse folders that have the same subfolders, and images beside their annotations."""
    if shared := _sharing({folder.path: _names_inside(folder) for folder in folders}):
        one, other, names = shared
        raise DatasetError(f"has the same subfolders in {one}/ and {other}/ ({_some(names)}); {remedy}")
    images = [folder for folder in folders if _word(folder) in _IMAGES]
    masks = [folder for folder in folders if _word(folder) in _MASKS and folder.has_images()]
    if images and masks:
        raise DatasetError(
            f"has {_slashed([*images, *masks])}, which look like images and their annotations; {remedy}"
        )


def _names_inside(folder: Folder) -> set[str]:
    """Return the names of the folders with images in a folder, below folders with one entry only."""
    while len(folder.folders) == 1 and not folder.images:
        folder = folder.folders[0]
    return {below.name for below in folder.folders if below.has_images()}


def _sharing(inside: dict[str, set[str]]) -> tuple[str, str, set[str]] | None:
    """Return two folders that have at least two names of subfolders in common, and these names.

    One name is common: every class may have a folder "images".
    """
    owners: dict[str, list[str]] = defaultdict(list)
    for path, names in inside.items():
        if len(names) < 2:
            continue
        common = Counter(owner for name in names for owner in owners[name])
        for owner, count in common.items():
            if count > 1:
                return owner, path, names & inside[owner]
        for name in names:
            owners[name].append(path)
    return None


def _word(folder: Folder) -> str:
    return "".join(c for c in folder.name.casefold() if c.isalpha()).removesuffix("s")


def _slashed(folders: Iterable[Folder]) -> str:
    return _listed([f"{folder.path}/" for folder in folders])


def _some(names: Iterable[str]) -> str:
    return _listed(sorted(names))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")
