"""Requests that come together share batches, wait in a bounded queue, and are finished at the end."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import httpx
import psutil
import pytest
from support.serving import ColourPredictor, form, image_bytes, serving

from stackkit.api.errors import StackkitError, WeightsError
from stackkit.serving.batching import Batcher
from stackkit.serving.limits import Limits
from stackkit.serving.uploads import Upload


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def together(client: httpx.Client, count: int, pool: ThreadPoolExecutor) -> list[Future[httpx.Response]]:
    return [
        pool.submit(client.post, "/predict", files=form(image_bytes(colour)))
        for colour in ("red", "blue", "lime") * (count // 3)
    ]


def test_requests_that_come_together_share_a_batch_and_get_their_own_answers() -> None:
    predictor = ColourPredictor()
    with serving(predictor) as client, ThreadPoolExecutor(8) as pool:
        predictor.gate.clear()
        first = pool.submit(client.post, "/predict", files=form(image_bytes()))
        predictor.began.acquire()
        others = together(client, 6, pool)
        until(lambda: "stackkit_waiting_images 6.0" in client.get("/metrics").text)
        predictor.gate.set()
        labels = [each.result().json()["predictions"][0]["label"] for each in others]
        assert first.result().status_code == 200
    assert labels == ["red", "blue", "green"] * 2
    assert predictor.batches == [1, 6]


def test_a_batch_has_a_limit_of_pixels_and_images() -> None:
    predictor = ColourPredictor()
    content = image_bytes(size=(50, 40))
    for count, pixels, batches in ((6, 1, [4, 2]), (5, 2000, [2, 2, 1]), (2, 6000, [1, 1])):
        batcher = Batcher(predictor, Limits(image_pixels=5000, batch=4))
        answers = batcher.submit([Upload(name="", content=content)] * count, [pixels] * count)
        predictor.batches.clear()
        batcher.start()
        batcher.close()
        assert all(each.done() for each in answers)
        assert predictor.batches == batches


def test_more_requests_at_a_time_than_allowed_are_refused_and_told_to_come_back() -> None:
    predictor = ColourPredictor()
    with serving(predictor, Limits(requests=3)) as client, ThreadPoolExecutor(8) as pool:
        predictor.gate.clear()
        kept = together(client, 3, pool)
        predictor.began.acquire()
        until(lambda: "stackkit_requests_in_flight 3.0" in client.get("/metrics").text)
        answer = client.post("/predict", files=form(image_bytes()))
        predictor.gate.set()
        assert [each.result().status_code for each in kept] == [200] * 3
        assert client.post("/predict", files=form(image_bytes())).status_code == 200
    assert answer.json()["error"]["code"] == "too-many-requests"
    assert answer.headers["retry-after"] == "1"


def test_an_answer_that_takes_too_long_is_given_up_and_leaves_the_queue() -> None:
    predictor = ColourPredictor()
    with serving(predictor, Limits(seconds=0.2)) as client, ThreadPoolExecutor(4) as pool:
        predictor.gate.clear()
        first = pool.submit(client.post, "/predict", files=form(image_bytes()))
        predictor.began.acquire()
        second = pool.submit(client.post, "/predict", files=form(image_bytes()))
        wait([first, second])
        predictor.gate.set()
        assert client.post("/predict", files=form(image_bytes())).status_code == 200
    assert first.result().status_code == second.result().status_code == 503
    assert "longer than 0.2 s" in second.result().json()["error"]["message"]
    assert predictor.batches == [1, 1]  # the second image was never computed


def test_an_upload_that_takes_too_long_is_given_up() -> None:
    def body() -> Iterator[bytes]:
        yield b"--x\r\n"
        time.sleep(0.5)
        yield b"--x--\r\n"

    with serving(limits=Limits(seconds=0.1)) as client:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = client.post("/predict", content=body(), headers=headers)
    assert answer.status_code == 408
    assert answer.json()["error"]["code"] == "upload-too-slow"


def test_health_and_predict_wait_until_the_networks_are_warm() -> None:
    predictor = ColourPredictor()
    predictor.may_warm.clear()
    with serving(predictor, waits=False) as client:
        for answer in (client.get("/health"), client.post("/predict", files=form(image_bytes()))):
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "not-available"
        assert client.get("/").status_code == 200
        predictor.may_warm.set()
        until(lambda: client.get("/health").status_code == 200)
        assert client.get("/health").json() == {"status": "ready"}


def test_networks_that_cannot_be_opened_end_the_server_with_their_error() -> None:
    failed = threading.Event()
    batcher = Batcher(ColourPredictor(WeightsError("no weights")), Limits())
    batcher.start(failed=failed.set)
    assert failed.wait(20)
    assert isinstance(batcher.failure, StackkitError)
    assert not batcher.ready
    batcher.close()


def test_closing_answers_what_is_in_the_queue() -> None:
    predictor = ColourPredictor()
    predictor.gate.clear()
    batcher = Batcher(predictor, Limits())
    batcher.start()
    first = batcher.submit([Upload(name="", content=image_bytes())], [1200])
    predictor.began.acquire()
    second = batcher.submit([Upload(name="", content=image_bytes("blue"))], [1200])
    closing = threading.Thread(target=batcher.close)
    closing.start()
    predictor.gate.set()
    closing.join(20)
    assert not closing.is_alive()
    assert [first[0].result().label, second[0].result().label] == ["red", "blue"]


def test_images_that_were_given_up_do_not_pile_up_while_a_batch_takes_long() -> None:
    predictor = ColourPredictor()
    predictor.gate.clear()
    batcher = Batcher(predictor, Limits())
    batcher.start()
    upload = Upload(name="", content=image_bytes())
    batcher.submit([upload], [1200])
    predictor.began.acquire()
    for _ in range(3):
        (future,) = batcher.submit([upload], [1200])
        future.cancel()
    batcher.submit([upload], [1200])
    assert batcher.waiting == 1
    predictor.gate.set()
    batcher.close()


def test_a_single_client_never_waits_for_others() -> None:
    with serving(limits=Limits(wait_s=5)) as client:
        began = time.monotonic()
        client.post("/predict", files=form(image_bytes()))
        assert time.monotonic() - began < 4


_opened_for_writing: list[str] | None = None


def _watch_files(event: str, details: tuple[object, ...]) -> None:
    if event == "open" and _opened_for_writing is not None:
        path, _, flags = details
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _opened_for_writing.append(str(path))


@pytest.fixture
def opened_for_writing() -> Iterator[list[str]]:
    """The paths of files that this process opens for writing, also those without a name."""
    global _opened_for_writing
    _opened_for_writing = []
    sys.addaudithook(_watch_files)  # can never be removed; it does nothing after the test
    yield _opened_for_writing
    _opened_for_writing = None


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.slow)])
def test_memory_and_disk_are_the_same_after_many_requests(
    count: int, opened_for_writing: list[str]
) -> None:
    large = image_bytes(size=(700, 700), kind="BMP")  # 1.5 MB: Starlette would put it on disk
    process = psutil.Process()
    with serving() as client:
        for number in range(count):
            if number == count // 4:
                before = process.memory_info().rss
            content = large if number % 20 == 0 else image_bytes()
            assert client.post("/predict", files=form(content)).status_code == 200
        grown = process.memory_info().rss - before
    assert grown < 20e6
    assert opened_for_writing == []
    with tempfile.TemporaryFile():
        assert opened_for_writing  # the watch sees even files without a name
