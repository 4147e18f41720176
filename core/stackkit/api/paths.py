"""Where stackkit keeps what it downloads and computes."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The managed folder: `$STACKKIT_HOME`, else the platform's cache folder for stackkit."""
    if chosen := os.environ.get("STACKKIT_HOME"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("stackkit")


def datasets_dir() -> Path:
    """Where `stackkit fetch` unpacks datasets."""
    return home() / "datasets"


def features_dir() -> Path:
    """Where the feature store lives unless told otherwise."""
    return home() / "features"


def fits_dir() -> Path:
    """Where the answers of finished fits are kept, so that no run does them again."""
    return home() / "fits"


def engines_dir() -> Path:
    """Where backbones keep converted networks and what they measured on this machine."""
    return home() / "engines"
