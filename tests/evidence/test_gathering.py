"""What a report shows besides figures survives images that are gone, replaced or unreadable."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.features import Features
from stackkit.evaluation.inputs import UsableFeatures
from stackkit.evaluation.outcomes import Outcomes, RowOutcome
from stackkit.evidence import gathering
from stackkit.evidence.feature_map import MOST, feature_map, stratified
from stackkit.evidence.gathering import gather
from stackkit.evidence.thumbnails import make_thumbnails
from stackkit_plugins.image_folder.dataset import ImageFolder

DOCUMENT: dict[str, Any] = {
    "results": [{"kind": "learner", "accuracy": 0.5, "backbones": ["lite0"]}],
    "suspect_images": [],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two classes of six photographs of several shapes."""
    random = np.random.default_rng(0)
    for label in ("ani", "bobolink"):
        (tmp_path / label).mkdir()
        for number in range(6):
            pixels = random.integers(0, 255, (60 + 40 * number, 150, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.jpg")
    return tmp_path


def outcomes_of(dataset: Any) -> Outcomes:
    """Return outcomes in which the first two images of each class are taken for the other one."""
    labels = np.array([sample.label for sample in dataset.samples])
    predicted = labels.copy()
    predicted[[0, 1, 6, 7]] = 1 - labels[[0, 1, 6, 7]]
    return Outcomes(
        ids=[sample.id for sample in dataset.samples],
        fingerprints=[dataset.fingerprint(number) for number in range(len(labels))],
        labels=labels,
        groups=None,
        classes=dataset.classes,
        image=np.arange(12),
        fold=np.arange(12) % 3,
        repeat=np.zeros(12, np.int64),
        rows=[RowOutcome(predicted=predicted.astype(np.int32))],
    )


def usable_of(outcomes: Outcomes) -> UsableFeatures:
    """Return features of all images but the last one."""
    random = np.random.default_rng(0)
    matrix = (random.normal(size=(11, 8)) + 5 * outcomes.labels[:11, None]).astype(np.float32)
    return UsableFeatures(
        features=[Features.from_matrix("lite0", matrix)],
        rows=np.arange(11),
        fingerprints=outcomes.fingerprints[:11],
        missing={},
    )


def test_a_page_has_images_of_confused_pairs_and_a_small_one_for_each_point(folder: Path):
    dataset = ImageFolder(folder)
    outcomes = outcomes_of(dataset)
    found = gather(
        DOCUMENT, outcomes, dataset=dataset, usable=usable_of(outcomes), reporter=SilentReporter()
    )
    assert {outcomes.ids[number] for number in (0, 1, 6, 7)} <= set(found.thumbnails)
    sizes = [Image.open(io.BytesIO(each)).size for each in found.thumbnails.values()]
    assert all(max(size) == 96 for size in sizes)
    assert len(set(sizes)) > 1  # the whole image is shown, not a square
    assert found.feature_map is not None
    assert found.feature_map.image.tolist() == list(range(11))
    assert set(found.small) == set(outcomes.ids[:11])
    assert {Image.open(io.BytesIO(each)).size for each in found.small.values()} == {(40, 40)}
    assert found.audit is not None
    assert found.audit.n_images == 11
    assert found.missing == ()


def test_images_that_are_gone_replaced_or_broken_are_named_and_the_others_are_shown(folder: Path):
    dataset = ImageFolder(folder)
    outcomes = outcomes_of(dataset)
    (folder / outcomes.ids[0]).unlink()
    Image.new("RGB", (50, 50), "red").save(folder / outcomes.ids[1])
    found = gather(DOCUMENT, outcomes, dataset=dataset, usable=None, reporter=SilentReporter())
    assert set(found.thumbnails) == {outcomes.ids[6], outcomes.ids[7]}
    assert found.feature_map is None
    assert len(found.missing) == 2
    assert outcomes.ids[0] in found.missing[0]
    assert found.missing[1].endswith("1.jpg: it was replaced after the run.")


def test_a_page_of_very_many_images_does_not_compare_all_pairs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    dataset = ImageFolder(folder)
    outcomes = outcomes_of(dataset)
    monkeypatch.setattr(gathering, "MOST_COMPARED", 10)
    found = gather(
        DOCUMENT, outcomes, dataset=dataset, usable=usable_of(outcomes), reporter=SilentReporter()
    )
    assert found.audit is not None
    assert "to compare 11 images takes long; `stackkit audit`" in found.audit.skipped["near-duplicate"]
    assert "near-duplicate" not in found.audit.counts
    assert "outlier" in found.audit.counts


@pytest.mark.parametrize("with_features", [False, True])
def test_nothing_is_said_of_images_that_were_all_replaced(folder: Path, with_features: bool):
    dataset = ImageFolder(folder)
    outcomes = outcomes_of(dataset)
    for name in outcomes.ids:
        Image.new("RGB", (50, 50), "red").save(folder / name)
    features = usable_of(outcomes_of(dataset)) if with_features else None
    found = gather(
        DOCUMENT, outcomes, dataset=dataset, usable=features, reporter=SilentReporter(), folder=folder
    )
    assert found.audit is None
    assert found.missing[0].startswith("No image of the dataset is as it was in the run")
    measured = folder / "image-measures-1.jsonl"
    assert not measured.exists(), "pixels of one image are not remembered for another"


def test_without_the_dataset_there_is_no_evidence_but_the_reason():
    nothing = Outcomes(
        ids=[],
        fingerprints=[],
        labels=np.zeros(0, np.int64),
        groups=None,
        classes=[],
        image=np.zeros(0, np.int64),
        fold=np.zeros(0, np.int64),
        repeat=np.zeros(0, np.int64),
        rows=[],
    )
    found = gather(
        DOCUMENT, nothing, dataset=None, usable=None, reporter=SilentReporter(), missing=["It is gone."]
    )
    assert found.missing == ("It is gone.",)
    assert not found.thumbnails


def test_ctrl_c_ends_the_gathering(folder: Path):
    dataset = ImageFolder(folder)
    outcomes = outcomes_of(dataset)
    known = dict(zip(outcomes.ids, outcomes.fingerprints, strict=True))
    calls = iter([None, None])

    def advance(count: int) -> None:
        if next(calls, True):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_thumbnails(dataset, outcomes.ids, outcomes.ids, known, advance)


def test_a_sample_for_the_map_has_every_class_and_the_shares_of_all():
    labels = np.repeat([0, 1, 2], [9_000, 2_999, 1])
    chosen = stratified(labels, 1_000)
    counts = np.bincount(labels[chosen])
    assert len(chosen) == 1_000
    assert counts[2] == 1
    assert abs(counts[0] - 750) <= 1
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, stratified(labels, 1_000))
    assert len(stratified(labels[:5], MOST)) == 5


def test_images_with_similar_features_are_near_each_other_and_a_map_is_the_same_every_time():
    for n, method in ((20, "principal components of lite0"), (120, "t-SNE of lite0")):
        labels = np.arange(n) % 2
        matrix = np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)
        matrix[:, 0] += 12 * labels
        matrix[:, 1] += 12 * (1 - labels)
        features, rows = [Features.from_matrix("lite0", matrix)], np.arange(n)
        found = feature_map(features, rows, labels)
        assert found is not None
        assert found.method == method
        centres = np.array([found.points[labels == label].mean(axis=0) for label in (0, 1)])
        nearest = np.linalg.norm(found.points[:, None] - centres, axis=2).argmin(axis=1)
        assert np.array_equal(nearest, labels)
        again = feature_map(features, rows, labels)
        assert again is not None
        assert np.array_equal(again.points, found.points)


def test_images_without_features_and_equal_features_have_no_map():
    equal = [Features.from_matrix("lite0", np.ones((60, 4), np.float32))]
    assert feature_map(equal, np.arange(60), np.zeros(60, np.int64)) is None
    assert feature_map(equal, np.full(60, -1), np.zeros(60, np.int64)) is None
