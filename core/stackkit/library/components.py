"""Find the components that Python code names, with what the command line says about plugins."""

from __future__ import annotations

import os
import re
import sys
import warnings
from functools import lru_cache
from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.api.paths import user_path
from stackkit.host.host import Host, load_host
from stackkit.host.option_syntax import unparse
from stackkit.host.registry import Registry

FOLDER_DATASET = "image-folder"
"""The dataset that reads a plain folder."""


def installed() -> Registry:
    """Load all plugins; what the command line prints about them on stderr is a warning here."""
    host = _host(_settings())
    for note in (*host.notes, *host.effects_on_figures):
        warnings.warn(note, stacklevel=3)
    return Registry(host=host)


def _settings() -> tuple[object, ...]:
    """Return what decides which plugins there are; a file that was edited counts as another one."""
    named = sorted(item for item in os.environ.items() if item[0].startswith("STACKKIT"))
    files = os.environ.get("STACKKIT_PLUGIN_FILES", "").split(os.pathsep)
    changed = [path.stat().st_mtime_ns for path in map(user_path, files) if path.is_file()]
    return (*named, *changed, *sys.path)


@lru_cache(maxsize=1)
def _host(settings: tuple[object, ...]) -> Host:
    # Kept, because a grid search creates thousands of estimators, and loading takes as long as a fit.
    return load_host()


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def dataset_text(dataset: str | os.PathLike[str], registry: Registry) -> str:
    """Return the name and options of a dataset; a folder is one with a subfolder per class.

    Parameters
    ----------
    dataset : str or os.PathLike
        A path, a URL such as "s3://bucket/birds", or text such as "mnist:limit=50". Text that is the
        path of a folder means the folder, unless a dataset has this name.
    registry : Registry
        Knows the names.

    """
    if isinstance(dataset, str):
        if _URL.match(dataset):
            return unparse(FOLDER_DATASET, {"root": dataset})
        names = {registry.short_name(each) for each in registry.of_kind("dataset")}
        folder = user_path(dataset)
        if dataset in names or not folder.is_dir():
            return dataset
    elif isinstance(dataset, os.PathLike):
        folder = Path(dataset)
    else:
        raise UsageError(
            f"dataset must be text such as 'mnist:limit=50' or the path of a folder, got {dataset!r:.80}"
        )
    return unparse(FOLDER_DATASET, {"root": str(folder)})
