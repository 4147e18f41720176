"""Declare an executor whose workers are actors of Ray."""

from stackkit.api import ExecutorSpec, Option, hookimpl


@hookimpl
def stackkit_executors() -> list[ExecutorSpec]:
    """Return the executor `ray`."""
    return [
        ExecutorSpec(
            name="ray",
            summary="actors of Ray, on this machine or on a cluster",
            factory="stackkit_ray.executor:RayExecutor",
            requires=("ray>=2.30",),
            options=(
                Option(
                    name="address",
                    default=None,
                    type=str,
                    help="cluster, such as ray://host:10001 or auto; none: start Ray on this machine",
                ),
                Option(
                    name="workers",
                    default=None,
                    type=int,
                    minimum=1,
                    help="number of actors; none: one for each CPU that Ray has",
                ),
            ),
        )
    ]
