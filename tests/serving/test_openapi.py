"""The server answers what its own schema says, whatever it is sent."""

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from support.serving import ColourPredictor, application, form, image_bytes, listening

from stackkit.serving.access import Access

BARE = ("GET /model", "GET /health", "GET /metrics")
"""Nothing can be wrong about a request without parameters and body."""

TOKEN = "correct-horse-battery"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def described() -> Iterator[Any]:
    with listening(application(ColourPredictor(), access=Access(token=TOKEN))) as url:
        yield schemathesis.openapi.from_url(f"{url}openapi.json")


@pytest.mark.parametrize("count", [4, pytest.param(500, marks=pytest.mark.slow)])
def test_every_endpoint_answers_as_its_schema_says(described: Any, count: int) -> None:
    checks = settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    seen = set()
    for found in described.get_all_operations():
        operation = found.ok()
        seen.add(operation.label)
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            if mode is GenerationMode.NEGATIVE and operation.label in BARE:
                continue

            @checks
            @given(case=operation.as_strategy(generation_mode=mode))
            def answers(case: schemathesis.Case) -> None:
                # A schema cannot say what an image is, so random bytes are valid to it, and refused.
                case.call_and_validate(headers=HEADERS, excluded_checks=[positive_data_acceptance])

            answers()
    assert seen == {
        "POST /predict",
        "GET /model",
        "GET /examples/{number}",
        "GET /health",
        "GET /metrics",
    }


def test_an_answer_to_real_images_is_what_the_schema_says(described: Any) -> None:
    url = described["/predict"]["POST"].base_url.rstrip("/")
    answer = httpx.post(f"{url}/predict", files=form(image_bytes()), headers=HEADERS)
    assert answer.status_code == 200, answer.text
    document = described.raw_schema
    schema = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]
    jsonschema.validate(answer.json(), {**schema["schema"], "components": document["components"]})
