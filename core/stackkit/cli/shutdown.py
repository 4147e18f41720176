"""The end of the process, where what plugins have left behind is still at work."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from contextlib import suppress

from stackkit.utils.streams import STDERR

PATIENCE_S = 10.0
"""Python waits for threads that a plugin started, and so long does the user."""


def crashes_named() -> None:
    """Code in C that takes the process down leaves at least the files and lines that led there."""
    if not faulthandler.is_enabled():
        faulthandler.enable(STDERR)


def answered(code: int, patience_s: float = PATIENCE_S) -> None:
    """Nothing more is for stdout, and threads that never end do not keep the process."""
    with suppress(OSError, ValueError):  # nobody reads it, or it is closed
        sys.stdout.flush()
    with suppress(OSError):
        os.dup2(STDERR, 1)
    threading.Thread(target=_end, args=[code, patience_s], daemon=True).start()


def _end(code: int, patience_s: float) -> None:
    time.sleep(patience_s)
    threads = set(threading.enumerate()) - {threading.main_thread()}
    if names := sorted(thread.name for thread in threads if not thread.daemon):
        line = (
            f"warning: ended though threads still run: {', '.join(names)}; `stackkit list-plugins` says "
            "which plugin left them\n"
        )
        os.write(STDERR, line.encode())
        os._exit(code)
