"""Find out whether a fit converged: scikit-learn reports it only by a warning."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.exceptions import ConvergenceWarning


class ConvergenceWatch(threading.local):
    """Whether a fit in the current thread stopped before it converged."""

    stopped_early = False


_watch = ConvergenceWatch()


@contextmanager
def convergence_warnings_captured() -> Iterator[None]:
    """Record scikit-learn's convergence warnings instead of printing them; pass others on.

    Notes
    -----
    Enter this once around all fits. `warnings.catch_warnings` changes state of the whole process and is
    not thread-safe, so entering it per fit would let one thread restore the state that another still
    uses. The warnings are assigned to fits by thread: a fit warns in the thread that runs it.

    """
    with warnings.catch_warnings():
        pass_on = warnings.showwarning

        def record(message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> None:
            if issubclass(category, ConvergenceWarning):
                _watch.stopped_early = True
            else:
                pass_on(message, category, *args, **kwargs)

        warnings.showwarning = record
        # "always": Python shows a warning once per line of code by default, and would hide the later
        # fits'.
        warnings.simplefilter("always", ConvergenceWarning)
        yield


@contextmanager
def watch_convergence() -> Iterator[ConvergenceWatch]:
    """Watch the fits of this thread; afterwards `.stopped_early` tells whether any did not converge."""
    _watch.stopped_early = False
    yield _watch
