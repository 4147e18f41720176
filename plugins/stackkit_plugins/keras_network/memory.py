"""Tell an engine that ran out of memory from one that is broken."""

from __future__ import annotations

_WORDS = ("bad_alloc", "out of memory", "cannot allocate", "failed to allocate", "oom when")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an engine's error means that a smaller batch may work.

    TensorFlow raises ResourceExhaustedError, NumPy MemoryError; the others have no type for it.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _WORDS)
