"""The conformance kit: what stackkit relies on in a plugin, checked by its author in one line.

`test_mine = conformance("stackkit_mine")` in a test file is one pytest case for each promise and
component; `stackkit check-plugin stackkit_mine` checks the same without pytest.
"""

from stackkit.testing.check import Check, CheckFailedError, CheckSkippedError
from stackkit.testing.pytest_cases import conformance

__all__ = ["Check", "CheckFailedError", "CheckSkippedError", "conformance"]
