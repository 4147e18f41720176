"""The server answers what its own schema says, whatever it is sent."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from support.serving import ColourPredictor, application, form, image_bytes, listening

from stackkit.serving.access import Access

TOKEN = "correct-horse-battery"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def described() -> Iterator[Any]:
    app = application(ColourPredictor(), access=Access(token=TOKEN))
    with listening(app) as url:
        yield schemathesis.openapi.from_url(f"{url}openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_endpoint_answers_as_its_schema_says(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


def test_an_answer_to_real_images_is_what_the_schema_says(described: Any) -> None:
    case = described["/predict"]["POST"].Case()
    url = case.operation.base_url
    import httpx

    answer = httpx.post(f"{url}/predict", files=form(image_bytes()), headers=HEADERS)
    described["/predict"]["POST"].validate_response(answer)
    assert answer.status_code == 200
