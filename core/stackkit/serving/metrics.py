"""Count what the server does, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from stackkit.prediction.record import Prediction
    from stackkit.serving.batching import Batcher

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "stackkit_requests",
            "Requests by path and status.",
            ["path", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "stackkit_request_seconds",
            "Time of requests to /predict that were answered.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batch = Histogram(
            "stackkit_batch_images",
            "Images that went through the networks together.",
            buckets=_IMAGES,
            registry=self.registry,
        )
        self._images = Counter("stackkit_images", "Images answered.", registry=self.registry)
        self._novel = Counter(
            "stackkit_novel_images",
            "Images that look unlike the training images.",
            registry=self.registry,
        )
        self._abstained = Counter(
            "stackkit_abstained_images", "Images below the threshold.", registry=self.registry
        )
        self._waiting = Gauge("stackkit_waiting_images", "Images in the queue.", registry=self.registry)
        self.in_flight = Gauge(
            "stackkit_requests_in_flight",
            "Requests to /predict that upload or wait.",
            registry=self.registry,
        )
        self._ready = Gauge("stackkit_ready", "1 if the server answers.", registry=self.registry)

    def watch(self, batcher: Batcher) -> None:
        """Report the state of a batcher at the time of each request for the metrics."""
        self._waiting.set_function(lambda: batcher.waiting)
        self._ready.set_function(lambda: batcher.ready)

    def request(self, path: str, status: int) -> None:
        """Count a request; `path` is one of few, so that clients cannot add metrics."""
        self._requests.labels(path, str(status)).inc()

    def batch(self, count: int) -> None:
        """Count a batch."""
        self._batch.observe(count)

    def answered(self, predictions: Iterable[Prediction], seconds: float) -> None:
        """Count the answers to a request."""
        self._seconds.observe(seconds)
        for each in predictions:
            self._images.inc()
            self._novel.inc(each.novel)
            self._abstained.inc(not each.accepted)

    def text(self) -> bytes:
        """Return all metrics."""
        return bytes(generate_latest(self.registry))
