"""Distinguish an engine that ran out of memory from one that is broken."""

from __future__ import annotations

_PHRASES = (
    "bad_alloc",
    "out of memory",
    "cannot allocate",
    "failed to allocate",
    "oom when",
    "dst tensor",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an engine's error means that a smaller batch may work.

    NumPy raises MemoryError and TensorFlow ResourceExhaustedError. The other engines raise
    RuntimeError for everything, so its text has to be examined.
    """
    kind, text = type(error).__name__, str(error).lower()
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":
        return True
    # TensorFlow raises InternalError if memory runs out on a GPU. It is compared by name, as is
    # ResourceExhaustedError, since importing TensorFlow here would take seconds.
    may_be = isinstance(error, RuntimeError) or kind == "InternalError"
    return may_be and any(phrase in text for phrase in _PHRASES)
