"""Whether a fit converged, as scikit-learn says it: by a warning."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.exceptions import ConvergenceWarning


class EarlyStops(threading.local):
    """Whether a fit in this thread has stopped before it converged."""

    seen = False


_early = EarlyStops()


@contextmanager
def early_stops_noted() -> Iterator[None]:
    """Take convergence warnings in, to be reported once and in plain words, not printed.

    Entered once around all fits: `warnings` belongs to the process, and the thread that warns is
    the thread that fits. Other warnings pass on.
    """
    with warnings.catch_warnings():
        pass_on = warnings.showwarning

        def note(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, ConvergenceWarning):
                _early.seen = True
            else:
                pass_on(message, category, *where, **more)

        warnings.showwarning = note
        warnings.simplefilter("always", ConvergenceWarning)
        yield


@contextmanager
def watching() -> Iterator[EarlyStops]:
    """Afterwards `.seen` says whether a fit in this thread and block stopped early."""
    _early.seen = False
    yield _early
