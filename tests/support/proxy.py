"""A TCP connection with a fault: cut, stalled, or with bytes that get lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Fault = Literal["none", "cut", "stall", "lose"]


class Proxy:
    """Forwards connections to another port of this machine until `fault` is set."""

    def __init__(self, address: str) -> None:
        self.fault: Fault = "none"
        self.closed = threading.Event()
        self._target = int(address.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._begin(self._accept)

    def cause(self, fault: Fault) -> None:
        """Cut all connections, forward nothing any more, or lose a byte of everything forwarded."""
        self.fault = fault
        if fault == "cut":
            self._close_all()

    def close(self) -> None:
        self.closed.set()
        self._close_all()

    def _close_all(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _begin(self, function, *arguments) -> None:
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [here, there]
                self._begin(self._forward, here, there)
                self._begin(self._forward, there, here)

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.fault == "stall":
                    self.closed.wait()
                    return
                target.sendall(data[:-1] if self.fault == "lose" else data)
            target.shutdown(socket.SHUT_WR)


@contextmanager
def proxy_to(address: str) -> Iterator[Proxy]:
    proxy = Proxy(address)
    try:
        yield proxy
    finally:
        proxy.close()
