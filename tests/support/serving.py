"""Servers for tests: an application over a predictor whose speed and failures a test decides."""

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image
from starlette.types import ASGIApp

from stackkit.api.images import decode_image
from stackkit.api.pixels import PixelOptions, remarks
from stackkit.prediction.predictor import Predictor
from stackkit.prediction.record import Candidate, Prediction, Vote
from stackkit.serving.about import About, about
from stackkit.serving.access import Access
from stackkit.serving.app import create_app
from stackkit.serving.batching import Batcher
from stackkit.serving.limits import Limits
from stackkit.serving.metrics import Metrics
from stackkit.serving.neighbours import Neighbourly
from stackkit.serving.server import Server, listen, url_of

COLOURS = ("red", "green", "blue")


class ColourPredictor:
    """Says which of three colours an image has most of; waits for `gate` before each batch."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.may_warm = threading.Event()
        self.may_warm.set()
        self.failure = failure
        self.batches: list[int] = []
        self.sizes: list[tuple[int, int]] = []
        self.began = threading.Semaphore(0)

    def read(self, source: bytes, name: str) -> Image.Image:
        return decode_image(source, name, PixelOptions(orientation="exif"))

    def warm(self) -> None:
        self.may_warm.wait(20)
        if self.failure is not None:
            raise self.failure

    def predict(self, images: Sequence[Image.Image], sources: Sequence[str]) -> list[Prediction]:
        self.batches.append(len(images))
        self.sizes += [image.size for image in images]
        self.began.release()
        self.gate.wait(20)
        if any(source == "fails" for source in sources):
            raise RuntimeError(f"secret of {len(images)}")
        return [_answer(one, source) for one, source in zip(images, sources, strict=True)]


def _answer(image: Image.Image, source: str) -> Prediction:
    sums = [sum(value * count for value, count in enumerate(c.histogram())) for c in image.split()]
    parts = [one / (sum(sums) or 1) for one in sums]
    top = sorted(zip(parts, COLOURS, strict=True), reverse=True)
    candidates = tuple(Candidate(label=label, probability=part) for part, label in top)
    best = candidates[0]
    vote = Vote(learner="logistic", backbone="colour", label=best.label, probability=best.probability)
    return Prediction(
        source=source,
        label=best.label,
        probability=best.probability,
        accepted=best.probability >= 0.5,
        top=candidates,
        votes=(vote,),
        novelty=0.25,
        novel=False,
        remarks=tuple(one.kind for one in remarks(image)),
    )


def application(
    predictor: ColourPredictor,
    limits: Limits | None = None,
    access: Access | None = None,
    crashed: Callable[[Exception], None] = lambda error: None,
) -> ASGIApp:
    limits, metrics = limits or Limits(), Metrics()
    return create_app(
        Batcher(predictor, limits, metrics.batch),
        About(name="colours", classes=COLOURS, networks=("colour",)),
        limits=limits,
        access=access or Access(),
        metrics=metrics,
        crashed=crashed,
    )


def application_of(predictor: Predictor, name: str, access: Access | None = None) -> ASGIApp:
    """The application for a real model."""
    limits, metrics, answering = Limits(), Metrics(), Neighbourly(predictor)
    return create_app(
        Batcher(answering, limits, metrics.batch),
        about(predictor.model, name),
        limits=limits,
        access=access or Access(),
        metrics=metrics,
        thumbnails=answering.thumbnails,
    )


@contextmanager
def listening(app: ASGIApp, *, waits: bool = True) -> Iterator[str]:
    """The URL of a server in a thread of this process, ready unless told otherwise."""
    server, socket = Server(), listen("127.0.0.1", 0)
    url = url_of(socket)
    thread = threading.Thread(target=server.run, args=(app, socket), kwargs={"seconds": 5})
    thread.start()
    try:
        while waits and httpx.get(f"{url}health").status_code == 503:
            pass
        yield url
    finally:
        server.stop()
        thread.join()


@contextmanager
def serving(
    predictor: ColourPredictor | None = None,
    limits: Limits | None = None,
    access: Access | None = None,
    crashed: Callable[[Exception], None] = lambda error: None,
    *,
    waits: bool = True,
) -> Iterator[httpx.Client]:
    """A client of a server in a thread of this process, ready unless told otherwise."""
    app = application(predictor or ColourPredictor(), limits, access, crashed)
    with listening(app, waits=waits) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def image_bytes(
    colour: str = "red", size: tuple[int, int] = (40, 30), kind: str = "PNG", **options: object
) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind, **options)
    return stream.getvalue()


def form(*contents: bytes | Path, names: Sequence[str] = ()) -> list[tuple[str, tuple[str, bytes]]]:
    """Images for httpx's `files=`."""
    return [
        ("images", (names[i] if names else f"{i}.png", c.read_bytes() if isinstance(c, Path) else c))
        for i, c in enumerate(contents)
    ]
