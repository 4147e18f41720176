"""Find weights in the cache of huggingface_hub, or let it download them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stackkit.api import WeightsError

_OWNER = "timm"
_FILES = ("model.safetensors", "pytorch_model.bin")


def weights_folder() -> Path:
    """Return the folder in which huggingface_hub keeps downloads, without importing it.

    The same rules as in `huggingface_hub.constants`: `$HF_HUB_CACHE`, else `hub` in `$HF_HOME`, which is
    `huggingface` in `$XDG_CACHE_HOME` or `~/.cache` unless set.
    """
    if cache := os.environ.get("HF_HUB_CACHE"):
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
    from huggingface_hub import hf_hub_download

    name, _, revision = repository.partition("@")
    names: Sequence[str] = (file,) if file else _FILES
    failures = []
    # The cache before the network, so that everything works offline once the file is there.
    for local in (True, False):
        for each in names:
            try:
                found = hf_hub_download(name, each, revision=revision or None, local_files_only=local)
            except Exception as error:  # huggingface_hub and its client raise many types
                if not local:
                    failures.append(error)
            else:
                return Path(found)
    from huggingface_hub import constants

    url = f"{constants.ENDPOINT}/{name}/resolve/{revision or 'main'}/{names[0]}"
    reason = " ".join(str(failures[0]).split()) or type(failures[0]).__name__
    reason = reason if len(reason) <= 200 else f"{reason[:200]} ..."
    raise WeightsError(
        f"weights of {name} are not in {weights_folder()}, and the download failed ({reason}); download "
        f"{url} elsewhere and pass weights=FILE, or pass weights=random for a test run"
    ) from failures[0]
