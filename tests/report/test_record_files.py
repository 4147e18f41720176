"""What a report is made from survives on disk, and a damaged file is refused in a sentence."""

import json
import zipfile
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.made_up_runs import made_up

from stackkit.api.errors import UsageError
from stackkit.audit.findings import Audit, Finding, HardPair
from stackkit.evaluation.outcomes import Certainty, Outcomes, RowOutcome
from stackkit.evidence.evidence import Evidence, FeatureMap
from stackkit.report import array_file
from stackkit.report.record_files import (
    read_evidence,
    read_outcomes,
    read_record,
    write_evidence,
    write_outcomes,
)
from stackkit.report.report import EVIDENCE, OUTCOMES
from stackkit.report.runs import find_run, kept_runs, new_run_folder

NAMES = ["a/1.png", 'quo"te</script>', "byte-\udcff"]
HALF = np.array([0.5, 0.25], np.float32)
CERTAINTY = Certainty(of_true=HALF, of_predicted=HALF[::-1])
OUTCOMES_MADE = Outcomes(
    ids=NAMES,
    fingerprints=["x", "y", "z"],
    labels=np.array([0, 1, 1]),
    groups=np.array([0, 1, 2]),
    classes=["<b>", "ä"],
    image=np.array([0, 2]),
    fold=np.array([0, 1]),
    repeat=np.array([0, 0]),
    rows=[
        RowOutcome(predicted=np.array([0, 1], np.int32)),
        RowOutcome(
            predicted=np.array([1, 1], np.int32),
            rank=np.array([1, 0], np.int32),
            raw=CERTAINTY,
            calibrated=CERTAINTY,
        ),
    ],
    mean_probabilities=np.array([[0.5, 0.5], [np.nan, np.nan], [0, 1]], np.float32),
)
EVIDENCE_MADE = Evidence(
    thumbnails={NAMES[2]: b"\xff\xd8 one", NAMES[0]: b""},
    small={NAMES[1]: b"two"},
    feature_map=FeatureMap(image=np.array([2]), points=np.ones((1, 2), np.float32), method="PCA"),
    audit=Audit(
        n_images=3,
        findings=(Finding(kind="dark", id=NAMES[2], label="ä", score=0.5, reason="mean 3"),),
        hard_pairs=(HardPair(first="<b>", second="ä", images=3, share=0.5),),
        skipped={"label": "install cleanlab"},
    ),
    missing=("no features",),
)


RUN = made_up({"logistic on lite2": 0.8, "largest class": 0.1}, n=30).record(judged=False)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if is_dataclass(one):
        return all(same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_outcomes_and_evidence_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = write_outcomes(OUTCOMES_MADE, tmp_path)
    first = path.read_bytes()
    assert same(read_outcomes(tmp_path), OUTCOMES_MADE)
    assert write_outcomes(OUTCOMES_MADE, tmp_path).read_bytes() == first
    assert read_evidence(tmp_path) is None
    for evidence in (EVIDENCE_MADE, Evidence()):
        write_evidence(evidence, tmp_path)
        assert same(read_evidence(tmp_path), evidence)
    write_outcomes(replace(OUTCOMES_MADE, groups=None), tmp_path)
    assert read_evidence(tmp_path) is None, "evidence of other outcomes"


def test_a_record_is_read_from_a_folder_with_that_of_the_other_protocol(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "official-split"):
        folder.mkdir(exist_ok=True)
        (folder / "report.json").write_text(json.dumps(RUN.document))
        write_outcomes(RUN.outcomes, folder)
    record = read_record(tmp_path)
    assert record.document == RUN.document
    assert record.folder == tmp_path
    assert record.evidence is None
    assert record.other
    assert record.other.other is None
    other_run = r"report.json and outcomes.npz of .* are not of one run"
    for change, message in (
        ({"references": []}, other_run),
        ({"classes": ["ä", "<b>"]}, other_run),
        ({"results": [{"name": "x"}]}, "is damaged"),
        ({"protocol": None}, "report.json has no valid 'protocol'"),
    ):
        (tmp_path / "report.json").write_text(json.dumps(RUN.document | change))
        with pytest.raises(UsageError, match=message):
            read_record(tmp_path)


def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write_outcomes(OUTCOMES_MADE, tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 41):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with suppress(UsageError):  # bytes of dates and attributes do not matter
            assert same(read_outcomes(tmp_path), OUTCOMES_MADE)
        path.write_bytes(whole[:place])
        with pytest.raises(UsageError, match="is damaged"):
            read_outcomes(tmp_path)
    path.unlink()
    with pytest.raises(UsageError, match=r"outcomes.npz is missing.*repeat the run"):
        read_outcomes(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.array([0, 1])},
        {"labels": np.array([0, 1, 2])},
        {"image": np.array([0, 3])},
        {"image": np.array([0])},
        {"rows": [RowOutcome(predicted=np.array([-1, 0], np.int32))]},
        {"labels": np.array([0.0, 1.0, 1.0])},
        {"fold": np.array([[0], [1]])},
        {"mean_probabilities": np.zeros((3, 5), np.float32)},
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(tmp_path: Path, change: Any) -> None:
    write_outcomes(replace(OUTCOMES_MADE, **change), tmp_path)
    with pytest.raises(UsageError, match="is damaged"):
        read_outcomes(tmp_path)


def test_files_of_a_newer_format_and_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / OUTCOMES
    np.savez(path, about=np.frombuffer(json.dumps({"version": 2}).encode(), np.uint8))
    with pytest.raises(UsageError, match=r"has format 2.*upgrade stackkit"):
        read_outcomes(tmp_path)
    np.savez(path, about=np.array([print], object))
    with pytest.raises(UsageError, match="is damaged"):
        read_outcomes(tmp_path)
    write_outcomes(OUTCOMES_MADE, tmp_path)
    with zipfile.ZipFile(tmp_path / EVIDENCE, "w") as archive:
        archive.writestr("about.npy", b"nothing")
    with pytest.raises(UsageError, match=r"evidence.npz is damaged; delete it, and `stackkit report`"):
        read_evidence(tmp_path)
    write_outcomes(RUN.outcomes, tmp_path)
    (tmp_path / "report.json").write_text(json.dumps(RUN.document))
    assert read_record(tmp_path, evidence=False).evidence is None, "figures need no images"


def test_a_small_file_that_becomes_huge_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_outcomes(OUTCOMES_MADE, tmp_path)
    monkeypatch.setattr(array_file, "MAX_BYTES", 1000)
    with pytest.raises(UsageError, match=r"outcomes.npz holds more than 1,000 bytes"):
        read_outcomes(tmp_path)


def test_runs_of_the_same_second_have_folders_of_their_own(home: Path) -> None:
    with pytest.raises(UsageError, match="no run is kept"):
        find_run(None)
    now = datetime(2026, 11, 26, 18, 45, tzinfo=UTC)
    made = [new_run_folder("image-folder:root=/a b/ü", now) for _ in range(3)]
    name = "20261126T184500Z-image-folder"
    assert [each.name for each in made] == [name, f"{name}-2", f"{name}-3"]
    assert all(each.parent == home / "runs" for each in made)
    assert kept_runs() == []
    for folder in made[:2]:
        (folder / "report.json").write_text("{}")
    assert [each.path for each in kept_runs()] == [made[1], made[0]]
    assert find_run(None) == made[1]
    assert find_run(name) == made[0]
    assert find_run(str(made[0])) == made[0]
