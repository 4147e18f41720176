"""Tell an engine that ran out of memory from one that is broken."""

from __future__ import annotations

_WORDS = (
    "bad_alloc",
    "out of memory",
    "cannot allocate",
    "failed to allocate",
    "oom when",
    "dst tensor",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an engine's error means that a smaller batch may work.

    TensorFlow raises ResourceExhaustedError, NumPy MemoryError; the others have no type for it.
    """
    kind, text = type(error).__name__, str(error).lower()
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":
        return True
    speaks = (
        isinstance(error, RuntimeError) or kind == "InternalError"
    )  # the latter TensorFlow's, of a GPU
    return speaks and any(words in text for words in _WORDS)
