"""The page labels images that people drop, paste or choose, and asks no other server."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.serving import ColourPredictor, application, image_bytes, listening

from stackkit.serving.access import Access
from stackkit.serving.limits import Limits

TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with listening(application(ColourPredictor(), Limits(upload_bytes=100_000))) as url:
        yield url


def file(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def transfer(page: Any, content: bytes, name: str) -> Any:
    """A DataTransfer with a file, as a browser makes one for a drop or a paste."""
    return page.evaluate_handle(
        """([text, name]) => {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const made = new DataTransfer();
            made.items.add(new File([bytes], name, { type: "image/png" }));
            return made;
        }""",
        [base64.b64encode(content).decode(), name],
    )


def opened_chooser(page: Any, act: Callable[[], None]) -> Any:
    """The file chooser that an action opens; on a busy machine, Chromium ignores some first actions."""
    opened: list[Any] = []
    page.on("filechooser", lambda chooser: opened.append(chooser))
    for _ in range(20):
        act()
        page.wait_for_timeout(250)
        if opened:
            return opened[0]
    raise AssertionError("no file chooser opens")


def label(page: Any, number: int = 0) -> Any:
    return page.locator("#list .card:not(.waiting) .label").nth(number)


def test_dropped_pasted_and_chosen_images_are_labelled_without_any_other_request(
    visit: Any, url: str
) -> None:
    seen = visit(url)
    page = seen.page
    page.dispatch_event(
        "#drop", "drop", {"dataTransfer": transfer(page, image_bytes("red"), "a <b>.png")}
    )
    assert label(page).inner_text() == "red"
    assert page.locator(".file").inner_text() == "a <b>.png"
    page.evaluate(
        "(data) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))",
        transfer(page, image_bytes("blue"), "pasted.png"),
    )
    page.locator("#list .card:not(.waiting)").nth(1).wait_for()
    assert label(page).inner_text() == "blue"
    page.set_input_files("#files", [file(f"{i}.png", image_bytes("lime")) for i in range(5)])
    page.locator("#list .card:not(.waiting)").nth(6).wait_for()
    assert page.locator(".label", has_text="green").count() == 5
    assert page.locator(".top").first.locator("li").count() == 3
    assert all(each.startswith((url, "blob:")) for each in seen.requests), seen.requests
    page.click("#clear")
    assert page.locator(".card").count() == 0
    assert page.evaluate("document.activeElement.id") == "choose"


def test_a_keyboard_is_enough_and_answers_are_announced(visit: Any, url: str) -> None:
    page = visit(url).page
    page.locator("#name", has_text="colours").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    chooser = opened_chooser(page, lambda: page.keyboard.press("Enter"))
    chooser.set_files([file("sky.png", image_bytes("blue"))])
    label(page).wait_for()
    status = page.get_by_role("status")
    assert status.inner_text() == "sky.png: blue, 100 %"
    assert page.get_by_role("img", name="sky.png: blue").count() == 1
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("rowheader", name="colour logistic").is_visible()


def test_a_phone_takes_photos(visit: Any, url: str) -> None:
    page = visit(url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).page
    chooser = opened_chooser(page, page.get_by_role("button", name="Take a photo").tap)
    assert chooser.element.get_attribute("capture") == "environment"
    chooser.set_files([file("photo.png", image_bytes("lime"))])
    assert label(page).inner_text() == "green"


def test_an_image_that_cannot_be_read_says_why_and_can_be_tried_again(visit: Any, url: str) -> None:
    seen = visit(url)
    page = seen.page
    page.set_input_files(
        "#files", [file("broken.png", image_bytes()[:40]), file("big.png", bytes(100_000))]
    )
    page.locator(".card.failed").nth(1).wait_for()
    texts = page.locator(".label").all_inner_texts()
    assert texts[0] == "The file is larger than 0.1 MB."
    assert "broken.png" in texts[1]
    assert page.get_by_role("button", name="Try again").count() == 2
    page.get_by_role("button", name="Try again").first.click()
    page.locator(".card.failed").nth(1).wait_for()
    # Chromium itself writes refused requests to the console; nothing else is there.
    assert all("422" in each or "415" in each for each in seen.complaints), seen.complaints
    seen.complaints.clear()


def test_the_token_is_asked_for_once_and_again_if_it_is_wrong(visit: Any) -> None:
    with listening(application(ColourPredictor(), access=Access(token=TOKEN))) as url:
        seen = visit(url)
        page = seen.page
        for given in ("wrong", TOKEN):
            page.locator("#ask[open]").wait_for()
            assert page.evaluate("document.activeElement.id") == "token"
            page.get_by_label("Token", exact=True).and_(page.locator("input")).fill(given)
            page.keyboard.press("Enter")
        page.locator("#about", has_text="3 classes").wait_for()
        page.set_input_files("#files", [file("a.png", image_bytes())])
        assert label(page).inner_text() == "red"
        assert page.evaluate("document.cookie + localStorage.length") == "0"
        assert all("401" in each for each in seen.complaints)
        seen.complaints.clear()


def test_the_page_fits_its_width_in_light_and_dark(visit: Any, url: str) -> None:
    page, grounds = visit(url).page, []
    page.set_input_files("#files", [file("a-very-long-name" * 20 + ".png", image_bytes())])
    label(page).wait_for()
    for scheme, width in (("light", 320), ("dark", 390), ("dark", 1280)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]
