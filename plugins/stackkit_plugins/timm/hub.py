"""Find weights in the cache of huggingface_hub, or let it download them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stackkit.api import WeightsError

_OWNER = "timm"
_FILES = ("model.safetensors", "pytorch_model.bin")


def weights_folder() -> Path:
    """Return the folder in which huggingface_hub keeps downloads, without importing it.

    The same rules as in `huggingface_hub.constants`: `$HF_HUB_CACHE`, or its old name
    `$HUGGINGFACE_HUB_CACHE`, else `hub` in `$HF_HOME`, which is `huggingface` in `$XDG_CACHE_HOME` or
    `~/.cache` unless set.
    """
    if cache := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(os.path.expandvars(cache)).expanduser()
    general = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(general) / "huggingface")
    return Path(os.path.expandvars(home)).expanduser() / "hub"


def on_this_machine(model: str) -> bool:
    """Return whether weights for a name of timm, with or without a tag, were downloaded before."""
    # A name without a tag means timm's default tag, which only timm knows: any tag counts.
    tag = "" if "." in model else ".*"
    pattern = f"models--{_OWNER}--{model}{tag}/snapshots/*/*"
    names = {path.name for path in weights_folder().glob(pattern) if path.is_file()}
    return any(name.endswith((".safetensors", ".bin")) for name in names)


def downloaded(repository: str, file: str | None) -> Path:
    """Return the weights file of a repository, which is downloaded unless it is in the cache.

    Parameters
    ----------
    repository : str
        Such as "timm/resnet18.a1_in1k", or with a revision: "timm/resnet18.a1_in1k@main".
    file : str or None
        Name of the file in it; None: safetensors if there are, else PyTorch's format.

    Raises
    ------
    WeightsError
        If it is not in the cache and cannot be downloaded. The message says what to download by other
        means, and what to do with it.

    """
    name, _, revision = repository.partition("@")
    names = [file] if file else _FILES
    # The cache before the network, so that everything works offline once the file is there.
    for each in names:
        with suppress(Exception):
            return _found(name, each, revision, in_cache=True)
    try:
        return _first_on_hub(name, names, revision)
    except Exception as error:  # huggingface_hub and its client raise many types
        raise WeightsError(_no_download(name, names[0], revision, error)) from error


def _first_on_hub(name: str, names: Sequence[str], revision: str) -> Path:
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for each in names[:-1]:
        try:
            return _found(name, each, revision, in_cache=False)
        except EntryNotFoundError as error:
            # The local one means that the hub cannot be reached, for which the client waits 20 seconds.
            if isinstance(error, LocalEntryNotFoundError):
                raise
    return _found(name, names[-1], revision, in_cache=False)


def _found(name: str, file: str, revision: str, *, in_cache: bool) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, file, revision=revision or None, local_files_only=in_cache))


def _no_download(name: str, file: str, revision: str, error: BaseException) -> str:
    from huggingface_hub import constants

    cause = error
    while cause.__cause__ is not None:  # the first cause is the one that a user can do something about
        cause = cause.__cause__
    reason = " ".join(str(cause).split())[:200] or type(cause).__name__
    url = f"{constants.ENDPOINT}/{name}/resolve/{revision or 'main'}/{file}"
    return (
        f"weights of {name} are not in {weights_folder()}, and the download failed ({reason}); download "
        f"{url} elsewhere and pass weights=FILE, or pass weights=random for a test run"
    )
