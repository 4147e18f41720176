"""Coloured images, and two cheap backbones for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.models import COLOURS_PLUGIN, coloured_folder


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A managed folder, and the backbones mean-colours and colour-shares.

    They are the same for all tests of a module, so that the plugins are loaded once, as in a program.
    """
    folder = tmp_path_factory.mktemp("home-of-library")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKKIT_HOME", str(folder))
        patch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))
        yield folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 images of each of 3 classes, one subfolder per class."""
    return coloured_folder(tmp_path_factory.mktemp("coloured"), 8)
