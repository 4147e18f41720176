"""Names of files, classes and splits mean the same however they are spelled."""

from __future__ import annotations

import unicodedata

_SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF = {
    word + ending: split
    for split, words in _SPLITS.items()
    for word in words
    for ending in ("", "set", "data", "images")
}
SPLIT_WORDS = "; ".join(f"{', '.join(words)} for {split}" for split, words in _SPLITS.items())
"""The words that `split_of` knows, for messages."""


def split_of(name: str) -> str | None:
    """Return the official split that a name means: "train", "val", "test", or None.

    The words are those of Hugging Face's image folders, whatever their case, also as in `training_set`,
    `Test-Images` and `trainset`.

    References
    ----------
    https://huggingface.co/docs/hub/datasets-file-names-and-splits

    """
    return _SPLIT_OF.get("".join(c for c in name.casefold() if c not in "-_. "))


def one_form(name: str) -> str:
    """Return the name in Unicode form NFC.

    Copies of a folder may have names in different forms that look the same: macOS writes "é" as two
    characters, "e" and an accent (form NFD), other systems as one (form NFC).
    """
    return unicodedata.normalize("NFC", name)


def is_one_line(name: str) -> bool:
    """Return whether a name of a file is one line of text.

    Python represents bytes that are not UTF-8 as surrogates, which reports and feature files cannot
    store.
    """
    return not any(ord(c) < 32 or ord(c) == 127 or "\ud800" <= c <= "\udfff" for c in name)
