"""Pictures of a report are valid, safe, reproducible SVG that follows the page's colours."""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
from support.made_up_runs import made_up

from stackkit.charts.accuracy import accuracy
from stackkit.charts.all import pictures
from stackkit.charts.colours import STAND_INS
from stackkit.charts.confusion_matrix import confusion_matrix
from stackkit.charts.rows import rows_of
from stackkit.evaluation.outcomes import Certainty
from stackkit.html_report.ladder import ladder
from stackkit.report.record import Record

HOSTILE = "<script>alert(1)</script>"

CURVE = {
    "sentence": "With twice as many images, 95 % can be expected.",
    "curves": [
        {
            "name": name,
            "backbones": backbones,
            "points": [
                {"images_per_class": n, "accuracy": 0.9 - 0.4 / n, "interval_95": [0.4, 0.95]}
                for n in (1, 2, 5, 10.5)
            ],
            "forecast": {"images_per_class": 21.0, "accuracy": 0.9, "interval_95": [0.85, 0.95]},
        }
        for name, backbones in (("logistic", ["lite0"]), ("average-svm", ["lite0", "lite2"]))
    ],
}


def the_record(**changes: Any) -> Record:
    """Return a run with hostile class names, probabilities and a learning curve."""
    record = made_up(n=200, repeats=2).record(learning_curve=CURVE, **changes)
    outcomes = record.outcomes
    names = [HOSTILE, "$x^2$", "a]]>&amp;\"'", "tab\tbell\x07", "byte\udcff", "\u202eright", *"ghij"]
    sure = np.linspace(0.2, 1, len(outcomes.image)).astype(np.float32)
    certainty = Certainty(of_true=sure, of_predicted=sure)
    rows = [replace(row, raw=certainty, calibrated=certainty) for row in outcomes.rows]
    return replace(record, outcomes=replace(outcomes, classes=names, rows=rows))


@pytest.fixture(scope="module")
def record() -> Record:
    return the_record()


@pytest.fixture(scope="module")
def drawn(record: Record) -> Any:
    return pictures(record)


def test_a_record_has_a_picture_of_each_kind_with_its_figures_in_words(drawn: Any, record: Record):
    assert list(drawn) == [
        "accuracy",
        "gains",
        "agreement",
        "confusion",
        "classes",
        "reliability",
        "learning-curve",
    ]
    headline = record.document["results"][3]
    assert f"{100 * headline['accuracy']:.1f} %" in drawn["accuracy"].alt
    assert "With twice as many images" in drawn["learning-curve"].alt
    for name, picture in drawn.items():
        assert picture.name == name
        assert picture.title
        assert picture.caption.endswith(".")
        assert ElementTree.fromstring(picture.markup).get("aria-label") == picture.alt


def test_names_of_classes_are_text_in_pictures(drawn: Any):
    for picture in drawn.values():
        root = ElementTree.fromstring(picture.markup)
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "g", "path", "use", "defs", "text", "clipPath", "rect", "image"}
        assert "<script" not in picture.markup
    texts = {element.text for element in ElementTree.fromstring(drawn["classes"].markup).iter()}
    assert {HOSTILE, "$x^2$", "a]]>&amp;\"'", "tab\ufffdbell\ufffd", "byte\ufffd"} <= texts


def test_pictures_follow_the_colours_and_the_font_of_the_page(drawn: Any):
    for picture in drawn.values():
        without = re.sub(r"var\(--[\w-]+, #\w{6}\)|data:[^\"]+", "", picture.markup)
        assert not re.findall(r"#[0-9a-fA-F]{6}\b", without)
        assert "currentColor" in picture.markup
        assert "font-family" not in picture.markup
        assert not any(each in picture.markup for each in list(STAND_INS)[:4])


def test_pictures_on_one_page_share_no_ids_and_refer_to_nothing_outside(drawn: Any):
    ids = [each for one in drawn.values() for each in re.findall(r' id="([^"]*)"', one.markup)]
    assert [each for each, often in Counter(ids).items() if often > 1] == []
    markup = "".join(picture.markup for picture in drawn.values())
    links = re.findall(r'url\(#([^)]*)\)| href="#([^"]*)"', markup)
    assert {one or other for one, other in links} <= set(ids)
    addresses = re.findall(r'(?:href|src)="([^"#][^"]*)"', markup)
    assert addresses
    assert all(each.startswith("data:image/png;base64,") for each in addresses)


def test_settings_of_the_user_have_no_effect_on_pictures_and_are_kept(drawn: Any, record: Record):
    with matplotlib.rc_context({"svg.fonttype": "path", "font.size": 30, "axes.facecolor": "red"}):
        again = {"accuracy": accuracy(record), "confusion": confusion_matrix(record)}
        assert matplotlib.rcParams["font.size"] == 30
    assert again == {name: drawn[name] for name in again}


def test_few_rows_and_classes_have_pictures_too():
    few = made_up({"logistic on lite0": 0.8, "largest class": 0.1}, n=30)
    document = few.record().document | {"untrained": True}
    drawn = pictures(Record(document=document, outcomes=few.outcomes))
    assert list(drawn) == ["accuracy", "confusion", "classes"]
    assert all("random weights" in picture.caption for picture in drawn.values())


def test_long_labels_lose_options_only_while_rows_are_told_apart():
    def labels(*backbones: str) -> list[str]:
        entry = {"name": "logistic:C=10", "kind": "learner", "accuracy": 0.5, "interval_95": [0, 1]}
        results = [entry | {"backbones": [backbone]} for backbone in backbones]
        return [row.label for row in rows_of({"results": results})]

    options = "size=320,pooling=avg+gem,views=attention"
    assert labels(f"lite0:{options}", "lite1") == ["logistic:C=10 on lite0", "logistic:C=10 on lite1"]
    shortened = labels(f"lite0:{options}", "lite0:size=32")
    assert len(set(shortened)) == 2
    assert max(map(len, shortened)) <= 46


def test_rows_are_in_the_order_of_the_table(record: Record) -> None:
    results = [dict(each) for each in record.document["results"]]
    results[3]["fit_on"], results[4]["fit_on"] = "out-of-fold", "in-sample"
    document = {**record.document, "results": results}
    markup = accuracy(replace(record, document=document)).markup
    assert markup.index(">soft-vote on all 2<") < markup.index(">average-svm on all 2<")
    assert [row.name for row in ladder(document)][-2:] == ["soft-vote", "average-svm"]
