"""Make the executor that a run names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from stackkit.api.executor import Executor
from stackkit.host.configured_component import ConfiguredComponent

LOCAL = "local"
"""Name of the executor of a run that names none: this process."""

_MEMBERS = ("in_process", "n_workers", "threads", "submit", "share", "on_each_worker", "close")


@contextmanager
def opened(component: ConfiguredComponent | None) -> Iterator[Executor | None]:
    """Start the workers of an executor, and release them at the end of the block.

    None, which stands for `LOCAL`, yields None: this process has to start nothing.

    Raises
    ------
    ExecutorError
        If there are no workers, or they cannot be reached.
    PluginError
        If a requirement is missing, or the plugin fails.

    """
    if component is None:
        yield None
        return
    executor = _made(component)
    try:
        yield executor
    except BaseException:
        with suppress(Exception):  # the reason for the end says more
            executor.close()
        raise
    with component.blamed():
        executor.close()


def _made(component: ConfiguredComponent) -> Executor:
    made = component.create()
    with component.blamed():
        if missing := [name for name in _MEMBERS if not hasattr(made, name)]:
            raise TypeError(f"{type(made).__name__} has no {', '.join(missing)}, which executors need")
    return cast(Executor, made)
