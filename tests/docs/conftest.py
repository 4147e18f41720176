"""Fixtures of the tests that run commands of pages."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A managed folder for commands of several pages, so that they extract the same features once."""
    return tmp_path_factory.mktemp("home-of-pages")
