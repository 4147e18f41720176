"""A served model says the same as in Python, to the last bit."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from support.models import coloured, small_model
from support.serving import form, listening

from stackkit.prediction.predictor import Predictor
from stackkit.serving.about import about
from stackkit.serving.access import Access
from stackkit.serving.app import create_app
from stackkit.serving.batching import Batcher
from stackkit.serving.limits import Limits
from stackkit.serving.metrics import Metrics


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    accuracy = {"accuracy": 0.862, "interval": (0.841, 0.881), "images": 900, "protocol": "3 folds"}
    model = small_model()
    return Predictor(replace(model, facts={**model.facts, "accuracy": accuracy}))


@pytest.fixture(scope="module")
def url(predictor: Predictor) -> Iterator[str]:
    metrics, limits = Metrics(), Limits()
    app = create_app(
        Batcher(predictor, limits, metrics.batch),
        about(predictor.model, "colours"),
        limits=limits,
        access=Access(),
        metrics=metrics,
    )
    with listening(app) as url:
        yield url


def test_answers_are_those_of_the_predictor_and_requests_share_batches(
    predictor: Predictor, url: str
) -> None:
    images = [coloured(label, 77 + label) for label in (0, 1, 2, 1)]
    contents = []
    for image in images:
        stream = io.BytesIO()
        image.save(stream, "PNG")
        contents.append(stream.getvalue())
    names = [f"{number}.png" for number in range(len(images))]
    with ThreadPoolExecutor(4) as pool:
        sent = [
            pool.submit(httpx.post, f"{url}predict", files=form(one, names=[name]))
            for one, name in zip(contents, names, strict=True)
        ]
        found = [each.result().json()["predictions"][0] for each in sent]
    together = httpx.post(f"{url}predict", files=form(*contents, names=names)).json()["predictions"]
    said = [each.document() for each in predictor.predict(images, names)]
    as_json = [{key: _listed(value) for key, value in each.items()} for each in said]
    assert [each["label"] for each in found] == ["blue", "green", "red", "green"]
    assert together == as_json
    assert found == as_json


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_the_model_describes_itself(url: str) -> None:
    found = httpx.get(f"{url}model").json()
    assert found["name"] == "colours"
    assert found["accuracy"] == "expected accuracy 86.2 % [84.1, 88.1]"
    assert found["classes"] == ["blue", "green", "red"]
    assert found["networks"] == ["mean-colours", "colour-shares"]
    assert found["limits"] == {"upload_bytes": 32_000_000, "image_pixels": 64_000_000, "images": 16}
