"""Give every fit the same conditions, so that its result does not depend on what else runs.

All fits of an evaluation run in threads of one process, or one at a time in each worker of an executor.
A process as a whole has one number of BLAS threads, one set of global random generators, and one copy of
what libraries keep in global variables.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

GENERATORS = "random"
"""Name of the process-wide state that consists of the global generators of Python and NumPy."""

CONDITIONS = "one thread, process state apart"
"""Part of every fit's digest. Change it with the conditions: other conditions may give other results."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
)
"""Number of threads of OpenMP and of each BLAS, whose own variable takes precedence."""


def combined(*states: frozenset[str] | None) -> frozenset[str] | None:
    """Return the process-wide state that a fit of several components uses; None means any state."""
    known = [state for state in states if state is not None]
    return frozenset().union(*known) if len(known) == len(states) else None


def disturb(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    """Return whether fits that use such process-wide state must not run at the same time."""
    return one is None or other is None or not one.isdisjoint(other)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit every BLAS of the process to one thread; enter this once around all fits.

    Notes
    -----
    With more threads, BLAS adds the parts of a sum in another order, and a solver that stops before it
    converges turns the last digits into other predictions. A fixed number other than one would need that
    many idle cores for each fit. The limit belongs to the process, so fits that set and reset it one by
    one would change each other's.

    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    # For libraries that are not loaded yet: a learner may import them while it fits.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        with ThreadpoolController().limit(limits=1, user_api="blas"):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def one_openmp_thread() -> Iterator[None]:
    """Limit OpenMP to one thread for this thread; OpenMP keeps its limit per calling thread."""
    with threadpool_limits(1, user_api="openmp"):
        yield


@contextmanager
def seeded(state: frozenset[str] | None, digest: str) -> Iterator[None]:
    """Seed the global generators of Python and NumPy for a fit that may draw from them.

    Parameters
    ----------
    state : frozenset of str or None
        The process-wide state that the fit uses. Generators are seeded if it contains `GENERATORS` or is
        None: no other fit draws from them meanwhile.
    digest : str
        The fit's digest, hexadecimal. The seed depends on it alone, so neither the order of fits nor
        cached ones have an influence.

    Notes
    -----
    Afterwards the generators continue as if nothing had been drawn.

    """
    if state is not None and GENERATORS not in state:
        yield
        return
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(digest)
    np.random.seed(int(digest[:8], 16))
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
