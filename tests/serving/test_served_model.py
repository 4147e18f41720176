"""A served model says the same as in Python, to the last bit."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from PIL import Image
from support.models import coloured, coloured_images, features_of, small_model, small_registry
from support.serving import application_of, form, listening

from stackkit.model.examples import make_examples
from stackkit.prediction.predictor import Predictor
from stackkit.serving.access import Access


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    accuracy = {"accuracy": 0.862, "interval": (0.841, 0.881), "images": 900, "protocol": "3 folds"}
    model = small_model()
    return Predictor(replace(model, facts={**model.facts, "accuracy": accuracy}))


@pytest.fixture(scope="module")
def url(predictor: Predictor) -> Iterator[str]:
    with listening(application_of(predictor, "colours")) as url:
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
    as_json = [
        {**{key: _listed(value) for key, value in each.items()}, "neighbours": []} for each in said
    ]
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


def test_a_model_with_examples_shows_the_most_similar_ones(predictor: Predictor) -> None:
    images, labels = coloured_images(4)
    names = [f"{number}.png" for number in range(len(images))]
    made = make_examples(
        features_of(small_registry(), images), labels, names, lambda number: images[number]
    )
    with_examples = Predictor(replace(predictor.model, examples=made))
    stream = io.BytesIO()
    images[5].save(stream, "PNG")
    token = "correct-horse-battery"
    app = application_of(with_examples, "colours", Access(token=token))
    headers = {"Authorization": f"Bearer {token}"}
    with listening(app) as url, httpx.Client(base_url=url, headers=headers) as client:
        (found,) = client.post("/predict", files=form(stream.getvalue())).json()["predictions"]
        assert len(found["neighbours"]) == 5
        first = found["neighbours"][0]
        assert (first["image"], first["label"]) == ("5.png", "green")
        assert first["similarity"] == pytest.approx(1, abs=1e-3)
        thumbnail = client.get(first["thumbnail"])
        assert thumbnail.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(thumbnail.content)).size == images[5].size
        assert client.get("/examples/12").status_code == 404
        assert client.get("/examples/x").status_code == 422
        assert client.get("/examples/x").json()["error"]["code"] == "invalid"
        assert 'path="/examples",status="200"' in client.get("/metrics").text
        assert httpx.get(f"{url}{first['thumbnail']}").status_code == 401
    (alone,) = predictor.predict([images[5]], ["0.png"])
    assert found["probability"] == alone.probability
