"""Executor: processes on this machine, one network in each."""

from stackkit.api import ExecutorSpec, Option, hookimpl


@hookimpl
def stackkit_executors() -> list[ExecutorSpec]:
    """Offer `processes`."""
    return [
        ExecutorSpec(
            name="processes",
            summary="processes on this machine, which share its cores",
            factory="stackkit_plugins.processes.executor:ProcessesExecutor",
            options=(
                Option(
                    name="workers",
                    default=None,
                    type=int,
                    minimum=1,
                    help="number of processes; none: one for each core that this process may use",
                ),
            ),
        ),
    ]
