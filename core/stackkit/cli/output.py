"""Keep stdout for what a command answers; everything else belongs on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stackkit.streams import STDERR, descriptor_1_to


@contextmanager
def stdout_set_aside() -> Iterator[None]:
    """What plugins and libraries print meanwhile, from Python or below it, goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr), descriptor_1_to(STDERR):
        yield
