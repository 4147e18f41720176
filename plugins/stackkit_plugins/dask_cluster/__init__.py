"""Executor: the workers of a Dask cluster."""

from stackkit.api import ExecutorSpec, Option, hookimpl


@hookimpl
def stackkit_executors() -> list[ExecutorSpec]:
    """Offer `dask`."""
    return [
        ExecutorSpec(
            name="dask",
            summary="workers of a Dask cluster, on many machines or on this one",
            factory="stackkit_plugins.dask_cluster.executor:DaskExecutor",
            requires=("distributed>=2024.8",),
            install="pip install 'stackkit[dask]'",
            options=(
                Option(
                    name="address",
                    default=None,
                    type=str,
                    help="scheduler, such as tcp://host:8786; none: start workers on this machine",
                ),
                Option(
                    name="workers",
                    default=None,
                    type=int,
                    minimum=1,
                    help="workers to start without address=; none: one for each core",
                ),
                Option(name="ca", default=None, type=str, help="file of the CA, for tls://"),
                Option(name="cert", default=None, type=str, help="file of the certificate, for tls://"),
                Option(name="key", default=None, type=str, help="file of the private key, for tls://"),
                Option(
                    name="timeout",
                    default=30.0,
                    above=0,
                    help="seconds to wait for the scheduler, and for a worker if there is none",
                ),
            ),
        ),
    ]
