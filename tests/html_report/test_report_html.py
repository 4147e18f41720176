"""The page of a report says everything that a record holds, and only as text."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from support.report_records import HOSTILE, SCRIPT, everything, jpeg

from stackkit.charts.all import pictures
from stackkit.evidence.evidence import Evidence
from stackkit.html_report import frame, page
from stackkit.html_report.text import prose
from stackkit.report.caveats import ON_SELECTION
from stackkit.report.record import Record

VOID = {"meta", "link", "img", "input", "br", "wbr", "circle", "use", "path", "line", "rect"}


class Reader(HTMLParser):
    """Collects the elements of a page as a browser sees them, and fails where tags do not match."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def record() -> Record:
    return everything(len(HOSTILE), 240)


@pytest.fixture(scope="module")
def drawn(record: Record) -> Any:
    return pictures(record)


@pytest.fixture(scope="module")
def text(record: Record, drawn: Any) -> str:
    return page(replace(record, other=record), drawn)


def test_names_of_classes_and_files_are_text_everywhere(text: str) -> None:
    text.encode("utf-8")  # bytes that are no text have become escapes
    found = read(text)
    assert [each.get("type") for each in found.all("script")] == ["application/json", None]
    assert "onerror" not in {name for _, each in found.elements for name in each}
    shown = "".join(found.texts)
    for name in HOSTILE[:3]:
        assert name in shown
    assert SCRIPT not in re.sub(r'"[^"]*"', "", text).replace("<script>{", "")
    assert "left\\u202eright" in shown
    assert "\u202e" not in text
    assert "\u2028" not in text
    assert "bytes \\udcff that are no text" in shown
    assert "{{ 7 * 7 }}" in shown
    data = json.loads(text.split('id="map-data">')[1].split("</script>")[0])
    assert data["classes"][0] == SCRIPT


def test_nothing_is_loaded_from_elsewhere(text: str) -> None:
    found = read(text)
    policy = next(each["content"] for each in found.all("meta") if "http-equiv" in each)
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    addresses = [
        value
        for _, each in found.elements
        for name, value in each.items()
        if name in {"src", "href", "srcset", "action", "data"} and value
    ]
    assert all(each.startswith(("data:", "#")) for each in addresses)
    assert not re.search(r"url\((?!data:|#)|@import", text)


def test_headings_are_in_order_ids_are_unique_and_images_have_texts(text: str) -> None:
    found = read(text)
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [each["id"] for _, each in found.elements if "id" in each]
    assert len(set(ids)) == len(ids)
    assert all(each.get("alt") for each in found.all("img"))
    linked = {each["href"][1:] for each in found.all("a") if each["href"].startswith("#")}
    assert linked <= set(ids)
    described = [each.get("aria-labelledby") or each.get("aria-label") for each in found.all("section")]
    assert all(described)


def test_hints_of_headings_are_text_too(text: str) -> None:
    shown = "".join(read(text).texts)
    table = text.split('id="ladder"')[1].split("</thead>")[0]
    hints = re.findall(r'title="([^"]*)"', table)
    assert len(hints) == 10
    assert [each for each in hints if each not in shown] == []


def test_every_picture_has_a_place(text: str, drawn: Any) -> None:
    assert len(drawn) >= 7
    assert [name for name, each in drawn.items() if each.markup not in text] == []


def test_each_section_says_what_the_record_holds(text: str, record: Record) -> None:
    shown = " ".join("".join(read(text).texts).split())
    document = record.document
    for sentence in [*document["verdicts"]["summary"], document["learning_curve"]["sentence"]]:
        assert (
            " ".join(prose(sentence).split()) in shown
        )  # of the other protocol, which is the same here
    assert document["recipe"]["command"] in shown
    assert "dask, 3 workers (stackkit 0.1.0)" in shown
    assert "this report" in shown
    assert "stack, in-sample" in shown
    assert "stack, out-of-fold" in shown
    assert "0.060 before" in shown
    assert "12 s" in shown
    assert "1 h 6 min" in shown
    assert "Labels that look wrong (14)" in shown
    assert "Not looked for: dark. The images cannot be read" in shown
    assert "Images that could not be read (1)" in shown
    assert "12 bytes are missing" in shown
    assert "Not comparable" in shown


def test_a_page_says_the_same_only_once(record: Record, drawn: Any) -> None:
    verdicts = record.document["verdicts"]
    note = f"{ON_SELECTION}, chosen on the same test images."
    document = {**record.document, "notes": ["A note.", note]}
    alone = page(replace(record, document=document), drawn)
    shown = " ".join("".join(read(alone).texts).split()).replace("\N{MINUS SIGN}", "-")
    gain = verdicts["summary"][1]
    assert [shown.count(each) for each in (gain, verdicts["best_single"]["sentence"])] == [1, 1]
    assert shown.count(document["learning_curve"]["sentence"]) == 1
    assert "A note." in shown
    for repeated in (verdicts["summary"][0], note):
        assert repeated not in shown
    headings = re.findall(r"<h[23][^>]*>([^<]*)", alone)
    assert len(set(headings)) == len(headings)
    (best,) = re.findall(r">best single<.*?data-label=\"p \(Holm\)\"[^>]*>([^<]*)<", alone, re.DOTALL)
    assert best == ""  # it is not compared with itself


def test_the_other_protocol_brings_its_own_notes(record: Record) -> None:
    notes = ["A note on both.", "3 image(s) are in neither part and are not used."]
    first, second = ({**record.document, "notes": some} for some in (notes[:1], notes))
    other = replace(record, document=second, evidence=None)
    found = read(page(replace(record, document=first, other=other), {}))
    shown = "".join(found.texts)
    assert shown.count(notes[0]) == 1
    assert notes[1] in shown


def test_images_are_called_by_the_name_of_their_file(record: Record, drawn: Any) -> None:
    outcomes = replace(record.outcomes, ids=[f"a_class/{each}.jpg" for each in range(240)])
    thumbnails = {"a_class/0.jpg": jpeg(0, 12)}
    found = read(page(replace(record, outcomes=outcomes, evidence=Evidence(thumbnails=thumbnails)), {}))
    named = {
        each["title"] for each in found.all("span") if each.get("class") == "file" and each.get("title")
    }
    assert named
    assert all(each.startswith("a_class/") for each in named)
    shown = "".join(found.texts)
    assert not [each for each in named if each in shown.split('{"ids"')[0]]
    said = [each["aria-label"] for each in found.all("span") if each.get("class") == "blank"]
    assert all(each.startswith("No image: a_class/") for each in said)
    assert len({each.get("loading") for each in found.all("img")} - {None}) == 0  # paper waits for none


def test_a_single_pair_of_classes_is_one() -> None:
    shown = "".join(read(page(everything(2, 40), {})).texts)
    assert "Images of both side by side" in shown
    assert "1 most confused pairs" not in shown


def test_a_record_with_figures_alone_is_a_whole_page() -> None:
    bare = everything(2, 60, verdicts=False)
    document = {key: value for key, value in bare.document.items() if key != "learning_curve"}
    document |= {
        "references": [],
        "costs": [],
        "recipe": None,
        "failed_images": [],
        "suspect_images": [],
    }
    outcomes = replace(bare.outcomes, rows=bare.outcomes.rows[: len(document["results"])])
    shown = "".join(read(page(Record(document=document, outcomes=outcomes), {})).texts)
    assert "The map was not drawn" in shown
    assert "The images were not examined" in shown
    assert "Other protocol" not in shown
    assert "More images" not in shown


def test_random_weights_are_named_before_any_figure(record: Record) -> None:
    untrained = page(everything(2, 60, untrained=True), {})
    assert untrained.index('class="warning"') < untrained.index('class="big"')
    assert "accuracies mean nothing" in untrained
    assert 'class="warning"' not in page(record, {})


def test_a_frame_holds_the_whole_page_as_an_attribute(text: str) -> None:
    (inner,) = read(frame(text)).all("iframe")
    assert inner["srcdoc"] == text
    assert inner["sandbox"] == "allow-scripts"
