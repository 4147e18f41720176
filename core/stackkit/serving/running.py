"""Put the parts of a server together, and run it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from stackkit.prediction.predictor import Predictor
from stackkit.serving.about import About
from stackkit.serving.access import Access
from stackkit.serving.app import create_app
from stackkit.serving.batching import Batcher
from stackkit.serving.limits import Limits
from stackkit.serving.metrics import Metrics
from stackkit.serving.neighbours import Neighbourly
from stackkit.serving.server import Server, url_of


def run(
    predictor: Predictor,
    about: About,
    listening: socket.socket,
    *,
    limits: Limits,
    access: Access,
    tell: Callable[[str], None],
    crashed: Callable[[Exception], None],
) -> None:
    """Answer requests until SIGINT or SIGTERM; those in flight are answered first.

    Parameters
    ----------
    predictor : Predictor
        Answers images; with examples in its model, answers have neighbours.
    about : About
        What the page says about the model.
    listening : socket.socket
        See `server.listen`.
    limits, access
        See `Limits` and `Access`.
    tell : callable
        Shows one line to the user.
    crashed : callable
        Shows the error of a request that failed for no known reason; the client does not see it.

    Raises
    ------
    StackkitError
        If the networks cannot be opened.

    """
    metrics, server = Metrics(), Server()
    answering = Neighbourly(predictor)
    batcher = Batcher(answering, limits, metrics.batch)

    app = create_app(
        batcher,
        about,
        limits=limits,
        access=access,
        metrics=metrics,
        thumbnails=answering.thumbnails,
        ready=lambda: tell("ready"),
        failed=server.stop,
        crashed=crashed,
    )
    tell(f"serving {about.name} on {url_of(listening)} (Ctrl-C stops)")
    server.run(app, listening, seconds=2 * limits.seconds)  # upload, then answer
    if batcher.failure is not None:
        raise batcher.failure
    tell("stopped")
