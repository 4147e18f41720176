"""End the process even if plugins have left threads or exit handlers behind."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from contextlib import suppress

from stackkit.utils.streams import STDERR

PATIENCE_S = 10.0
"""How long to wait for threads that a plugin started; Python itself would wait for ever."""


def report_crashes() -> None:
    """Let a crash in C code print the Python files and lines that led to it."""
    if not faulthandler.is_enabled():
        faulthandler.enable(STDERR)


def end_process(code: int, patience_s: float = PATIENCE_S) -> None:
    """Close stdout for everything that still runs, and end the process after `patience_s` seconds.

    Exit handlers of plugins may print: with --json, that would follow the document on stdout.
    """
    with suppress(AttributeError, ValueError):  # stdout is closed
        sys.stdout.flush()
    with suppress(OSError):
        os.dup2(STDERR, 1)  # the descriptor, since handlers may write by os.write or from C
    # A daemon, or Python would wait for this thread, too.
    threading.Thread(target=_end, args=[code, patience_s], daemon=True).start()


def _end(code: int, patience_s: float) -> None:
    time.sleep(patience_s)
    threads = set(threading.enumerate()) - {threading.main_thread()}
    if names := sorted(thread.name for thread in threads if not thread.daemon):
        line = (
            f"warning: ended while threads were still running: {', '.join(names)}; "
            "`stackkit list-plugins` shows which plugin left them\n"
        )
        # Not print and sys.exit: another thread may hold the lock of sys.stderr, and sys.exit would
        # end only this thread.
        with suppress(OSError):
            os.write(STDERR, line.encode())
        os._exit(code)
