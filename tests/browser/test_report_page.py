"""A report opens from disk: it sorts, searches, shows images and prints, without a request."""

from pathlib import Path
from typing import Any

import pytest
from support.report_records import HOSTILE, everything

from stackkit.charts.picture import Picture
from stackkit.html_report import frame, page

MEGABYTE = 10**6

SQUARE = Picture(
    name="confusion",
    title="What is taken for what",
    markup='<svg viewBox="0 0 9 9" width="690" id="square"><rect width="9" height="9"/></svg>',
    alt="A square.",
    caption="A square.",
)

CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const parse = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const luminance = ([r, g, b]) => {
        const part = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const ground = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const colour = parse(getComputedStyle(each).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255];
    };
    const seen = new Map();
    const texts = "p, th, td, small, li, a, button, .tag, .faint, summary, dt, dd, b";
    for (const element of document.querySelectorAll(texts)) {
        if (!element.checkVisibility() || !element.textContent.trim()) continue;
        const a = luminance(parse(getComputedStyle(element).color)), b = luminance(ground(element));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) seen.set(element.className + " " + element.tagName, ratio);
    }
    return [...seen];
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    record = everything(200, 12_000, mapped=1_500, verdicts=False)
    text = page(record, {"confusion": SQUARE})
    assert len(text.encode()) < 5 * MEGABYTE
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


def names(page: Any) -> list[str]:
    found: list[str] = page.locator("#classes tbody tr:not([hidden]) th").all_inner_texts()
    return found


def test_two_hundred_classes_are_sorted_and_searched_without_a_request(visit: Any, url: str) -> None:
    seen = visit(url, viewport={"width": 1280, "height": 900})
    page = seen.page
    assert len(names(page)) == 200
    assert page.locator("script:not([type])").count() == 1
    head = page.locator("#classes").get_by_role("button", name="Images")
    began = page.evaluate("performance.now()")
    page.locator("#classes").get_by_role("button", name="Recognised").click()
    assert page.evaluate("performance.now()") - began < 2_000
    column = page.locator("#classes tbody tr td:nth-of-type(2)")
    figures = [float(each) for each in column.evaluate_all("all => all.map((e) => e.dataset.key)")]
    assert figures == sorted(figures, reverse=True)
    page.locator("#classes").get_by_role("button", name="Class", exact=True).click()
    ordered = [each for each in names(page) if each.startswith("class ")]
    assert ordered == sorted(ordered)
    assert page.locator("#classes thead th").first.get_attribute("aria-sort") == "ascending"
    head.focus()
    page.keyboard.press("Enter")
    assert page.locator("#classes thead th").nth(1).get_attribute("aria-sort") == "descending"
    page.get_by_label("Find a class").fill("<SCRIPT>")
    page.locator("#class-count", has_text="1 of 200 classes").wait_for()
    assert names(page) == [HOSTILE[0]]
    assert all(each.startswith(("file:", "data:")) for each in seen.requests), seen.requests


def test_the_map_shows_images_to_the_mouse_and_to_the_keyboard(visit: Any, url: str) -> None:
    page = visit(url, viewport={"width": 1280, "height": 900}).page
    point = page.locator("#map-view circle[data-n='7']")
    page.locator("#map-view").scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("#map-card .cell").is_visible()
    hovered = page.locator("#map-card").inner_text()
    assert ".jpg" in hovered
    page.mouse.move(0, 0)
    assert page.locator("#map-card").is_hidden()
    page.get_by_label("Highlight a class").fill("class 100")
    page.locator("#map-count", has_text="1 class,").wait_for()
    page.keyboard.press("Tab")
    page.locator("#map-card").wait_for()
    first = page.locator("#map-said").inner_text()
    assert first.startswith("class 100, ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#map-said").inner_text().startswith("class 100, ")
    page.keyboard.press("Escape")
    assert page.locator("#map-card").is_hidden()


def test_dark_mode_narrow_screens_and_paper_show_all_legibly(visit: Any, url: str) -> None:
    page = visit(url, viewport={"width": 1280, "height": 900}, color_scheme="dark").page
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    assert page.evaluate(CONTRAST) == []
    for theme in ("light", "dark", "system"):
        page.locator("#theme").click()
        assert page.locator("#theme span").text_content() == theme
        assert (page.evaluate(ground) == dark) == (theme != "light")
        if theme == "light":
            assert page.evaluate(CONTRAST) == []
    page.evaluate("document.querySelector('#square').setAttribute('width', 2000)")
    page.get_by_role("button", name="Enlarge").click()
    assert page.locator("#large #square").bounding_box()["width"] == 2000  # names stay legible
    page.keyboard.press("Escape")
    assert page.locator("#errors #square").is_visible()
    for width in (390, 768):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#making-title").evaluate("title => title.scrollIntoView({ behavior: 'instant' })")
    page.locator("nav [aria-current]", has_text="How it was made").wait_for()
    page.wait_for_function(
        "document.querySelector('nav [aria-current]').getBoundingClientRect().x < 300"
    )
    page.get_by_label("Find a class").fill("class 100")
    page.locator("#class-count", has_text="1 of 200").wait_for()
    page.emulate_media(media="print")
    assert page.locator("#classes tbody tr:visible").count() == 200
    folded = page.locator("details > :not(summary)").all()
    assert len(folded) > 5
    assert all(each.bounding_box() for each in folded)
    assert page.locator("nav").is_hidden()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_a_notebook_shows_the_report_in_a_frame_of_its_own(visit: Any, tmp_path: Path) -> None:
    small = page(everything(3, 60, verdicts=False), {})
    (tmp_path / "notebook.html").write_text(
        f"<!doctype html><title>notebook</title>{frame(small)}", encoding="utf-8"
    )
    seen = visit((tmp_path / "notebook.html").as_uri())
    inside = seen.page.frame_locator("iframe")
    inside.get_by_role("link", name="Errors").click()
    assert inside.locator("#errors:focus").count() == 1
    inside.locator("#theme").click()
    assert inside.locator("#theme span").text_content() == "light"
    assert all(each.startswith(("file:", "data:", "about:")) for each in seen.requests)
