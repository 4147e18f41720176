"""The conformance kit: test in one line whether a plugin does what stackkit relies on.

`test_mine = conformance("stackkit_mine")` in a test file is one pytest case for each check and
component; `stackkit check-plugin stackkit_mine` runs the same checks without pytest.
"""

import warnings
from typing import Any

from stackkit.testing.cases import conformance
from stackkit.testing.check import Check, CheckFailedError, CheckSkippedError

__all__ = ["Check", "CheckFailedError", "CheckSkippedError", "conformance"]

_RENAMED = {"Promise": Check, "BrokenError": CheckFailedError, "SkippedError": CheckSkippedError}


def __getattr__(name: str) -> Any:
    """Return a renamed class by its old name, with a warning."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _RENAMED[name]
    warnings.warn(
        f"stackkit.testing.{name} is deprecated; use {new.__name__}", FutureWarning, stacklevel=2
    )
    return new
