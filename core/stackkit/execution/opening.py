"""Make the executor that a run names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from stackkit.api.executor import Executor
from stackkit.host.configured_component import ConfiguredComponent

LOCAL = "local"
"""Name of the executor of a run that names none: this process."""


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
    executor = cast(Executor, component.create())
    try:
        yield executor
    finally:
        executor.close()
