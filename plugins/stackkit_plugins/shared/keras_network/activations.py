"""Only the network that computed last keeps its activations in memory: those of several would add up."""

from __future__ import annotations

from weakref import ref

from stackkit_plugins.shared.keras_network.engines import Loaded

# Weak, so that this module does not keep a network alive that nobody else uses.
_last: ref[Loaded] | None = None


def release_others(computing: object) -> None:
    """Let the network that computed before release its activations; call this before computing.

    Parameters
    ----------
    computing : object
        What computes now, of whichever kind of backbone; only a `Loaded` can release something.

    """
    global _last
    before = _last() if _last else None
    if before is not None and before is not computing:
        before.release()
    _last = ref(computing) if isinstance(computing, Loaded) else None
