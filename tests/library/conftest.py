"""Coloured images, and two cheap backbones for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.models import COLOURS_PLUGIN, coloured_folder


@pytest.fixture(scope="module", autouse=True)
def backbones_of_colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The backbones mean-colours and colour-shares, and a managed folder for fixtures of modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))
        patch.setenv("STACKKIT_HOME", str(tmp_path_factory.mktemp("home-of-library")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 images of each of 3 classes, one subfolder per class."""
    return coloured_folder(tmp_path_factory.mktemp("coloured"), 8)
