"""Executor: this process."""

from stackkit.api import ExecutorSpec, hookimpl


@hookimpl
def stackkit_executors() -> list[ExecutorSpec]:
    """Offer `local`."""
    return [
        ExecutorSpec(
            name="local",
            summary="this process: one network after the other, on all cores",
            factory="stackkit_plugins.local.executor:LocalExecutor",
        ),
    ]
