"""Images that are sent to /predict get answers, or one JSON error that says why not."""

import asyncio
import io
import struct
import zlib
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image
from support.serving import ColourPredictor, application, form, image_bytes, serving

from stackkit.serving.access import Access
from stackkit.serving.limits import Limits

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "TGA", "JPEG2000")
LIMITS = Limits(upload_bytes=200_000, image_pixels=1_000_000, images=3)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(limits=LIMITS) as client:
        yield client


def refusal(
    client: httpx.Client, *contents: bytes, names: list[str] | None = None
) -> tuple[int, str, str]:
    answer = client.post("/predict", files=form(*contents, names=names or []))
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert set(error) == {"code", "message", "images"}
    return answer.status_code, error["code"], error["message"]


def test_several_images_are_answered_in_the_order_of_the_request(client: httpx.Client) -> None:
    answer = client.post("/predict", files=form(*map(image_bytes, ("blue", "red", "lime"))))
    assert answer.status_code == 200, answer.text
    found = answer.json()["predictions"]
    assert [each["label"] for each in found] == ["blue", "red", "green"]
    assert [each["source"] for each in found] == ["0.png", "1.png", "2.png"]
    assert found[0]["top"][0] == {"label": "blue", "probability": 1.0}
    assert answer.headers["cache-control"] == "no-store"


def test_images_are_read_as_everywhere_else() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    predictor = ColourPredictor()
    with serving(predictor) as client:
        turned = image_bytes("red", kind="JPEG", exif=exif.tobytes())
        (found,) = client.post("/predict", files=form(turned)).json()["predictions"]
    assert predictor.sizes == [(30, 40)]
    assert found["remarks"] == ["turned"]


def bomb() -> bytes:
    """A PNG of 2,500 megapixels in a few kilobytes."""
    small = bytearray(image_bytes(size=(1, 1)))
    small[16:24] = (50_000).to_bytes(4, "big") * 2
    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
    return bytes(small)


def tiled(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels in a tile of `side` x `side`, which is decoded as a whole."""
    data = zlib.compress(bytes(side * side))
    fields = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 325: len(data)}
    fields[324] = 8 + 2 + 12 * (len(fields) + 1) + 4
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + tags + bytes(4) + data


def test_each_limit_has_its_own_status_and_says_what_is_allowed(client: httpx.Client) -> None:
    noise = Image.effect_noise((600, 600), 90)
    stream = io.BytesIO()
    noise.save(stream, "PNG")
    large, icon = stream.getvalue(), image_bytes(kind="ICO")
    photo = image_bytes(size=(300, 300), kind="JPEG")
    cases: list[tuple[list[bytes], int, str, str]] = [
        ([large], 413, "too-large", "larger than 0.2 MB"),
        ([image_bytes(size=(1001, 1000))], 413, "too-large", "at most 1 million are allowed"),
        ([bomb()], 413, "too-large", "pixels"),
        ([tiled(1024)], 413, "too-large", "1024 x 1024 pixels; at most 1 million"),
        ([image_bytes()] * 4, 422, "invalid", "at most 3 images"),
        ([b"no image"], 415, "not-an-image", "cannot identify image file"),
        ([icon], 415, "not-an-image", "is a ICO file"),
        ([b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"], 415, "not-an-image", "EPS"),
        ([b""], 422, "invalid", "0.png is empty"),
        ([photo[:400]], 422, "invalid", "Truncated"),
        ([image_bytes(), photo[:700]], 422, "invalid", "1.png: image file is truncated"),
    ]
    for contents, status, code, text in cases:
        found = refusal(client, *contents)
        assert found[:2] == (status, code), found
        assert text in found[2], found
        assert "\n" not in found[2]


def test_a_tiled_image_within_the_limit_is_answered(client: httpx.Client) -> None:
    assert client.post("/predict", files=form(tiled(512))).status_code == 200


def test_a_body_without_a_length_is_counted_while_it_arrives(client: httpx.Client) -> None:
    chunks = 0

    def body() -> Iterator[bytes]:
        nonlocal chunks
        yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        for _ in range(1000):
            chunks += 1
            yield bytes(1000)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/predict", content=body(), headers=headers)
    assert answer.status_code == 413, answer.text


def test_a_jpeg_of_endless_scans_is_refused_before_it_is_decoded(client: httpx.Client) -> None:
    image = image_bytes(size=(1000, 1000), kind="JPEG", progressive=True)
    start = image.rindex(b"\xff\xda")
    scan = image[start:-2]
    assert client.post("/predict", files=form(image)).status_code == 200
    status, code, message = refusal(client, image[:start] + scan * 40 + image[-2:])
    assert (status, code) == (413, "too-large")
    assert "too many scans" in message


@pytest.mark.parametrize("count", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_images_are_answered_or_refused(client: httpx.Client, count: int) -> None:
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    seen = set()
    for number in range(count):
        stream = io.BytesIO()
        noise.save(stream, KINDS[number % len(KINDS)])
        content = bytearray(stream.getvalue())
        for place in random.integers(0, min(len(content), 600), 1 + number % 8):
            content[place] ^= 1 << random.integers(0, 8)
        cut = len(content) if number % 3 else random.integers(1, len(content))
        answer = client.post("/predict", files=form(bytes(content[:cut])))
        seen.add(answer.status_code)
        assert answer.status_code in (200, 413, 415, 422), answer.text
    assert {200, 422} <= seen


MALFORMED = {
    "no boundary": ("multipart/form-data", b"abc", 422),
    "a strange boundary": ("multipart/form-data; boundary=" + "x" * 2000, b"abc", 422),
    "no form": ("application/json", b"{}", 415),
    "no type": ("", b"abc", 415),
    "nothing": ("multipart/form-data; boundary=x", b"", 422),
    "noise": ("multipart/form-data; boundary=x", bytes(range(256)), 422),
    "no end": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\nabc',
        422,
    ),
    "no images": ("multipart/form-data; boundary=x", b"--x--\r\n", 422),
    "no name": ("multipart/form-data; boundary=x", b"--x\r\nA: b\r\n\r\nabc\r\n--x--\r\n", 422),
    "many headers": ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 3000, 422),
    "another field": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nabc\r\n--x--\r\n',
        422,
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_form_is_refused(client: httpx.Client, case: str) -> None:
    kind, body, status = MALFORMED[case]
    answer = client.post("/predict", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_a_name_with_any_characters_comes_back_harmless(client: httpx.Client) -> None:
    head = (
        b'--x\r\nContent-Disposition: form-data; name="images"; filename="../\x1b[2J\xff<b>.png"\r\n\r\n'
    )
    body = head + image_bytes() + b"\r\n--x--\r\n"
    answer = client.post(
        "/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    (found,) = answer.json()["predictions"]
    assert "\x1b" not in found["source"]
    assert found["label"] == "red"


def test_an_unexpected_failure_costs_one_image_and_shows_no_traceback() -> None:
    predictor, errors = ColourPredictor(), list[Exception]()
    with serving(predictor, crashed=errors.append) as client:
        answer = client.post(
            "/predict", files=form(image_bytes(), image_bytes(), names=["fails", "good.png"])
        )
        later = client.post("/predict", files=form(image_bytes()))
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "code": "internal",
        "message": "the server failed; its log says why",
        "images": [],
    }
    assert [str(each) for each in errors] == ["secret of 1"]
    assert predictor.batches[:3] == [2, 1, 1]  # together, then each alone
    assert later.status_code == 200


def test_unknown_pages_and_methods_have_the_same_shape(client: httpx.Client) -> None:
    for method, path, status in (("GET", "/docs", 404), ("GET", "/predict", 405), ("PUT", "/x", 404)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]["code"] in ("not-found", "method-not-allowed")
    assert client.get("/predict").headers["allow"] == "POST"
    assert client.head("/").status_code == 200


def test_every_answer_forbids_pages_to_load_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/page.js", "/model", "/nowhere"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    page = client.get("/").text + client.get("/page.css").text
    assert "http://" not in page
    assert "https://" not in page
    assert "style=" not in page
    assert "onclick" not in page


def test_only_this_machines_names_and_pages_are_answered(client: httpx.Client) -> None:
    files = form(image_bytes())
    for headers, status in (
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:9"}, 403),
        ({"Origin": str(client.base_url).rstrip("/")}, 200),
        ({"Origin": "https://birds.localhost", "Host": "birds.localhost"}, 421),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ):
        assert client.post("/predict", files=files, headers=headers).status_code == status, headers


def test_with_a_token_only_the_page_and_health_are_open() -> None:
    token = "correct-horse-battery"
    with serving(access=Access(names=frozenset(), token=token)) as client:
        for path in ("/model", "/metrics"):
            assert client.get(path).status_code == 401
            assert client.get(path).headers["www-authenticate"] == "Bearer"
        for given in ("", "Bearer", f"Basic {token}", "Bearer wrong", "Bearer ü", f"Bearer {token}x"):
            headers = {"Authorization": given.encode()}
            answer = client.post("/predict", files=form(image_bytes()), headers=headers)
            assert answer.status_code == 401
            assert token not in answer.text
        right = {"Authorization": f"Bearer {token}"}
        assert client.post("/predict", files=form(image_bytes()), headers=right).status_code == 200
        assert client.get("/").status_code == 200
        assert client.get("/health").status_code == 200
        assert "colours" not in client.get("/openapi.json").text
    assert token not in repr(Access(token=token))


def test_a_request_target_that_is_no_text_is_answered_like_any_other() -> None:
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/health", "query_string": b"\xff"}
    headers = [(b"host", b"localhost")]
    app = application(ColourPredictor(), access=Access(token="t" * 20))
    asyncio.run(app(scope | {"headers": headers}, receive, send))
    assert sent[0]["status"] == 503  # not started


def test_metrics_count_requests_images_and_batches(client: httpx.Client) -> None:
    client.post("/predict", files=form(image_bytes(), image_bytes()))
    client.get("/some/path/that/is/not/there")
    text = client.get("/metrics").text
    assert "stackkit_ready 1.0" in text
    assert 'stackkit_requests_total{path="/predict",status="200"}' in text
    assert 'stackkit_requests_total{path="other",status="404"}' in text
    assert "/some/path" not in text
    assert "stackkit_batch_images_bucket" in text
    assert "stackkit_request_seconds_count" in text
    assert "process_resident_memory_bytes" in text
