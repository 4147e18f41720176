"""Connect to a Dask scheduler, or start one with workers on this machine."""

from __future__ import annotations

import logging
import multiprocessing.resource_tracker
import os
import re
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import dask.config
import dask.system
import distributed

from stackkit.api import ExecutorError, UsageError, user_path

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio")


class _Client(distributed.Client):  # type: ignore[misc]
    """A client that is closed if it could not start: Dask's waits for itself when it is deleted."""

    def start(self, **given: Any) -> None:
        """Connect to the scheduler."""
        try:
            super().start(**given)
        except BaseException:
            self.status = "closed"
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A client of a scheduler, and the cluster that was started for it.

    Attributes
    ----------
    client : distributed.Client
        What talks to the scheduler.
    cluster : distributed.LocalCluster or None
        Workers on this machine; None if the scheduler was running already.
    address : str
        The scheduler.
    timeout : float
        Seconds without an answer of the scheduler, or without any worker, after which it is given up.

    """

    client: Any
    cluster: Any
    address: str
    timeout: float

    def workers(self) -> dict[str, int]:
        """Return the number of threads of each worker by its address; raises OSError or TimeoutError."""
        found = self.client.sync(self.client.scheduler.ncores, callback_timeout=self.timeout)
        return {str(address): int(threads) for address, threads in found.items()}

    def close(self) -> None:
        """Leave the scheduler, and end the workers that were started here."""
        with suppress(OSError, TimeoutError):  # also if the scheduler has gone
            self.client.close(timeout=min(5.0, self.timeout))
        if self.cluster is not None:
            with suppress(OSError, TimeoutError):
                self.cluster.close(timeout=20.0)


def start(workers: int | None, timeout: float) -> Connection:
    """Start a scheduler in this process and worker processes of one thread each on this machine."""
    _keep_quiet()
    cores = int(dask.system.CPU_COUNT)
    number = workers or cores
    threads = dict.fromkeys(_THREAD_VARIABLES, str(max(1, cores // number)))
    # It drops copies of shared values that no task needs at the moment, which then have to move again.
    settings = {"distributed.scheduler.active-memory-manager.start": False}
    with _without_ctrl_c(), dask.config.set(settings):
        try:
            cluster = distributed.LocalCluster(
                n_workers=number,
                threads_per_worker=1,
                processes=True,
                memory_limit=0,
                dashboard_address=None,
                silence_logs=_level(),
                scheduler_kwargs={"allowed_failures": 0},  # who retries a task is stackkit
                env={**threads, **os.environ},
            )
            client = distributed.Client(cluster, timeout=timeout, set_as_default=False)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise ExecutorError(f"no Dask cluster can be started here: {_text(error)}") from error
    return Connection(client=client, cluster=cluster, address="this machine", timeout=timeout)


def connect(address: str, tls: tuple[str | None, str | None, str | None], timeout: float) -> Connection:
    """Connect to a scheduler.

    Parameters
    ----------
    address : str
        Such as "tcp://host:8786" or "tls://host:8786".
    tls : tuple of str or None
        Files of the CA, the certificate and the private key; None: as Dask's own configuration says.
    timeout : float
        Seconds to wait for an answer.

    Raises
    ------
    ExecutorError
        If no scheduler answers, or it refuses the connection.
    UsageError
        If the address or a file is invalid.

    """
    _keep_quiet()
    try:
        with _without_ctrl_c():
            client = _Client(
                address, security=_security(tls), timeout=timeout, set_as_default=False, name="stackkit"
            )
    except (TypeError, ValueError, ImportError, RuntimeError, OSError) as error:
        raise _explained(error, address, timeout) from error
    return Connection(client=client, cluster=None, address=address, timeout=timeout)


def _explained(error: Exception, address: str, timeout: float) -> ExecutorError | UsageError:
    """Return what to raise for an error of Dask; TimeoutError is an OSError."""
    text = _text(error)
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return ExecutorError(
            f"{address} refuses this certificate, or its own is not of the CA: {text}; check ca=, "
            "cert= and key="
        )
    if isinstance(error, ValueError):
        return UsageError(f"address must be such as tcp://host:8786, got {address!r}: {text}")
    if isinstance(error, OSError):
        return ExecutorError(
            f"no Dask scheduler answers at {address} within {timeout:g} s: {text}; start one with: "
            "dask scheduler"
        )
    return ExecutorError(
        f"{address} cannot be used: {text}; for tls:// give ca=, cert= and key=, or set "
        "distributed.comm.tls in the configuration of Dask"
    )


def _security(tls: tuple[str | None, str | None, str | None]) -> Any:
    if not any(tls):
        return None
    ca, cert, key = (str(_file(each)) if each else None for each in tls)
    return distributed.Security(
        tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True
    )


def _file(text: str) -> Any:
    path = user_path(text)
    if not path.is_file():
        raise UsageError(f"ca=, cert= and key= must be files, got {text!r}")
    return path


def _text(error: BaseException) -> str:
    text = " ".join((str(error.__cause__ or "") or str(error)).split())
    return re.sub(r"^in <[^>]*>: ", "", text) or type(error).__name__


def _level() -> int:
    return logging.WARNING if os.environ.get("STACKKIT_DEBUG") else logging.CRITICAL + 1


def _keep_quiet() -> None:
    """Say nothing on stderr about workers that die and connections that break: errors report them."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(_level())


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start threads whose processes never receive Ctrl-C, which is for this thread."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # It would be started with the first process, and lifts the mask then.
    multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
