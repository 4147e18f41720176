"""Labels that classifiers do not believe are listed, the least credible first."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pictures import Pictures, pictures, subject_of

from stackkit.api.reporter import SilentReporter
from stackkit.audit.examine import examine
from stackkit.audit.findings import Audit
from stackkit.audit.hard_pairs import hard_pairs
from stackkit.audit.labels import label_findings, rank_labels
from stackkit.audit.report import AuditReport
from stackkit.html_report.audit_page import audit_page

CLASSES = 4


def answers(labels: np.ndarray, sharpness: float = 4, seed: int = 0) -> np.ndarray:
    """Return probabilities of a good classifier, (n, 4)."""
    scores = np.random.default_rng(seed).normal(size=(len(labels), CLASSES))
    powers = np.exp(scores + sharpness * np.eye(CLASSES)[labels])
    made: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return made


def test_changed_labels_come_first_with_the_class_they_had() -> None:
    truth = np.arange(400) % CLASSES
    probabilities = answers(truth)
    given = truth.copy()
    given[:20] = (truth[:20] + 1) % CLASSES
    ranking = rank_labels(given, probabilities)
    first = ranking.rows[:20]
    assert np.isin(first, np.arange(20)).mean() >= 0.9
    np.testing.assert_array_equal(
        ranking.quality, np.sort(probabilities[np.arange(400), given]), "the probability of the label"
    )
    found = ranking.rows[ranking.suspicious]
    assert 15 <= len(found) <= 25
    np.testing.assert_array_equal(
        ranking.suggested[np.isin(ranking.rows, first)], probabilities[first].argmax(axis=1)
    )


def test_correct_labels_of_a_good_classifier_are_not_suspicious() -> None:
    truth = np.arange(200) % CLASSES
    assert not rank_labels(truth, answers(truth, sharpness=20)).suspicious.any()


@pytest.mark.parametrize("unknown", ["not predicted", "class not known to any classifier"])
def test_labels_that_no_classifier_could_judge_are_left_out(unknown: str) -> None:
    truth = np.arange(80) % 3  # class 3 has one image, which was predicted without it
    truth[7] = 3
    probabilities = answers(truth)
    if unknown == "not predicted":
        probabilities[7] = np.nan
    else:
        probabilities[:, 3] = 0
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    ranking = rank_labels(truth, probabilities)
    assert sorted(ranking.rows) == [row for row in range(80) if row != 7]
    nothing = rank_labels(truth, np.full((80, CLASSES), np.nan))
    assert len(nothing.rows) == len(nothing.suspicious) == 0


def test_findings_name_the_class_that_the_networks_see() -> None:
    truth = np.arange(60) % 2
    dataset = pictures([None] * 60, label=[1, *truth[1:].tolist()])
    found = label_findings(subject_of(dataset), answers(truth, sharpness=8)[:, :2])
    assert [each.id for each in found] == ["0.jpg"]
    assert (found[0].label, found[0].suggested) == ("b", "a")
    assert "probable" in found[0].reason
    assert found[0].score > 0.9


def test_pairs_of_classes_that_are_mixed_up_are_listed_once() -> None:
    labels = np.repeat([0, 1, 2], 10)
    probabilities = np.eye(3)[labels]
    probabilities[[0, 1, 10]] = probabilities[[10, 11, 0]]  # 3 of 20 images of classes 0 and 1
    probabilities[20] = np.nan
    (pair,) = hard_pairs(labels, probabilities, ["jay", "crow", "gull"])
    assert (pair.first, pair.second, pair.images, pair.share) == ("jay", "crow", 3, 0.15)


def test_without_the_extra_packages_the_other_checks_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setitem(sys.modules, "imagehash", None)
    dataset = pictures([None] * 8, label=[0, 1] * 4)
    found = examine_all(dataset, answers(np.arange(8) % 2)[:, :2])
    assert sorted(found.skipped) == ["label", "near-duplicate"]
    assert all("pip install 'stackkit[report]'" in each for each in found.skipped.values())
    assert set(found.counts) == {"outlier", "blurred", "dark", "bright", "tiny", "odd-shape"}


def test_a_package_that_cannot_be_imported_costs_only_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cleanlab", "imagehash"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('numpy is too new')")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    found = examine_all(pictures([None] * 8, label=[0, 1] * 4), answers(np.arange(8) % 2)[:, :2])
    assert sorted(found.skipped) == ["label", "near-duplicate"]
    assert "cleanlab cannot be imported (numpy is too new); run: pip" in found.skipped["label"]


def test_what_was_not_computed_is_said() -> None:
    dataset = pictures([None] * 8, label=[0, 1] * 4)
    found = examine(replace(subject_of(dataset), features=[]), None, SilentReporter())
    assert sorted(found.skipped) == ["label", "near-duplicate", "outlier"]
    assert "stackkit extract" in found.skipped["outlier"]


def test_top_cuts_the_findings_and_not_their_number() -> None:
    truth = np.arange(400) % 2
    given = np.where(np.arange(400) < 20, 1 - truth, truth)
    dataset = pictures([None] * 400, label=given.tolist())
    found = examine_all(dataset, answers(truth, sharpness=8)[:, :2], top=3)
    assert len(found.of_kind("label")) == 3
    assert found.counts["label"] > 10


def test_labels_are_counted_among_those_that_could_be_judged() -> None:
    probabilities = answers(np.arange(8) % 2)[:, :2]
    probabilities[:5] = np.nan  # only three images were predicted, as with a hold-out
    found = examine_all(pictures([None] * 8, label=[0, 1] * 4), probabilities)
    assert (found.n_images, found.n_judged) == (8, 3)
    report = AuditReport(
        **dict.fromkeys(("stackkit", "created", "command", "dataset", "protocol"), ""),
        **dict.fromkeys(("classes", "backbones", "learners", "untrained", "failed_images"), ()),
        audit=found,
    )
    assert report.summary("label") == "0 of 3 labels look wrong; check them"
    page = audit_page(report, {})
    assert "8 images were examined; the labels of 3 could be judged" in page


def examine_all(dataset: Pictures, probabilities: np.ndarray | None, **given: Any) -> Audit:
    return examine(subject_of(dataset), probabilities, SilentReporter(), **given)
