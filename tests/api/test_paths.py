"""The managed folder, also for users without a home directory."""

import os

import pytest
from support.commands import python

from stackkit.api.errors import UsageError
from stackkit.api.paths import home as managed_folder

NOBODY = """
import os
from stackkit.api.errors import UsageError
from stackkit.api.paths import home
import platformdirs.unix
os.setuid(54321)
try:
    home()
except UsageError as error:
    print(error)
"""


def test_a_home_of_an_unknown_user_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKKIT_HOME", "~no-such-user/x")
    with pytest.raises(UsageError, match=r"STACKKIT_HOME=~no-such-user/x .*set STACKKIT_HOME to"):
        managed_folder()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become nobody")
def test_without_a_home_directory_the_message_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HOME", "STACKKIT_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    outcome = python("-c", NOBODY)
    assert outcome.code == 0, outcome.err
    assert "set STACKKIT_HOME to the full path" in outcome.out
