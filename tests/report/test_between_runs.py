"""Runs are compared on the same images, and refused where they are not comparable."""

from dataclasses import replace

import numpy as np
import pytest
from support.made_up_runs import ROWS, MadeUp, made_up

from stackkit.api.errors import UsageError
from stackkit.report.between_runs import NamedRecord, compare
from stackkit.statistics.paired_tests import mcnemar

A = made_up()
WORSE = {**ROWS, "average-svm": 0.85}


def named(*runs: MadeUp, **changes):
    return [
        NamedRecord(name=f"runs/{letter}", record=run.record(judged=False, **changes))
        for letter, run in zip("abc", runs, strict=False)
    ]


def outcomes(run: MadeUp, **changes) -> MadeUp:
    return replace(run, outcomes=replace(run.outcomes, **changes))


def test_two_runs_are_told_apart_by_the_same_statistics_as_rows_of_one():
    b = made_up(WORSE, seed=1)
    found = compare(named(A, b))
    (verdict,) = found.verdicts
    assert [(each.run, each.row) for each in found.rows] == [
        ("runs/a", "average-svm"),
        ("runs/b", "average-svm"),
    ]
    assert verdict.p == mcnemar(A.outcomes.correct()[:, 3], b.outcomes.correct()[:, 3])
    assert verdict.claimed
    assert verdict.sentence.startswith(
        "average-svm (runs/a) is better than average-svm (runs/b) by 7.0 points, 95 % interval "
    )
    difference, (low, high), _ = found.against_first(1)
    assert low < difference < high < 0
    (note,) = found.notes
    assert note.startswith("The runs divide the images differently")


def test_the_order_of_images_and_classes_in_the_runs_is_immaterial():
    given = A.outcomes
    order = np.arange(len(given.ids))[::-1]
    turned = outcomes(
        A,
        ids=list(given.ids)[::-1],
        fingerprints=list(given.fingerprints)[::-1],
        labels=9 - given.labels[order],
        classes=list(given.classes)[::-1],
        fold=given.fold[order],
        rows=[replace(row, predicted=9 - row.predicted[order]) for row in given.rows],
    )
    found = compare(named(A, turned))
    (verdict,) = found.verdicts
    assert verdict.difference == 0
    assert verdict.p == 1
    assert max(verdict.interval_95) < 0.006
    assert found.notes == ()


def test_rows_are_chosen_by_name_or_title_in_one_run_or_in_several():
    inside = compare(named(A), ["soft-vote", "logistic on lite2"])
    assert inside.verdicts[0].sentence.startswith("soft-vote is better than logistic on lite2 by 6.5")
    both = compare(named(A, A), ["soft-vote"])
    assert {each.row for each in both.rows} == {"soft-vote"}
    each = compare(named(A, A), ["soft-vote", "linear-svm"])
    assert [each.row for each in each.rows] == ["soft-vote", "linear-svm on lite0"]
    for rows, message in (
        (["logistic"], "has several rows 'logistic'; give --row one of: logistic on lite0, logistic on"),
        (["nothing"], "runs/a has no row 'nothing'; give --row one of: linear-svm on lite0, logistic"),
        (["soft-vote"] * 3, "got 3 --row for 2 runs"),
    ):
        with pytest.raises(UsageError, match=message):
            compare(named(A, A), rows)
    with pytest.raises(UsageError, match="one run takes two --row"):
        compare(named(A))


def test_what_is_not_comparable_is_refused_with_a_remedy():
    other_ids = [*A.outcomes.ids[:-2], "new/1.jpg", "new/2.jpg"]
    contents = ["sha256:other", *A.outcomes.fingerprints[1:]]
    labels = A.outcomes.labels.copy()
    labels[5] = 6
    classes = [*A.outcomes.classes[:-1], "Ani"]
    for changed, message in (
        (made_up(kind="official-split", folds=1), "runs/b by official split, and figures of different"),
        (outcomes(A, ids=other_ids), r"of 602, 2 only in runs/a, 2 only in runs/b \(for example class_"),
        (outcomes(A, fingerprints=contents), "of 600, 1 with other content"),
        (outcomes(A, labels=labels), "of 600, 1 under another label"),
        (outcomes(A, classes=classes), r"runs/a has 1 class\(es\) that runs/b does not have"),
    ):
        with pytest.raises(UsageError, match=message) as error:
            compare(named(A, changed))
        assert error.value.exit_code == 2
        assert "rerun one of them" in str(error.value)


def test_files_of_two_runs_are_not_taken_for_one():
    mixed = outcomes(A, rows=A.outcomes.rows[:3])
    with pytest.raises(UsageError, match=r"report\.json and outcomes\.npz of runs/b are not of one run"):
        compare(named(A, mixed))


def test_a_run_with_both_protocols_offers_the_one_that_can_be_compared(tmp_path):
    official = made_up(kind="official-split", folds=1)
    second = replace(official.record(judged=False), folder=tmp_path / "official-split")
    both = NamedRecord(name="runs/a", record=replace(A.record(judged=False), other=second))
    with pytest.raises(UsageError, match="give runs/a/official-split instead"):
        compare([both, NamedRecord(name="runs/b", record=official.record(judged=False))])


def test_what_the_runs_do_not_share_is_noted():
    (first,) = named(A)
    second = NamedRecord(
        name="runs/b", record=A.record(judged=False, untrained=True, stackkit="0.2.0", notes=["x"])
    )
    notes = compare([first, second]).notes
    assert notes[0] == "Untrained (random weights), so accuracies mean nothing: runs/b."
    assert notes[1] == "The runs were made with different versions of stackkit: 0.1.0, 0.2.0."
    grouped = replace(A, protocol=replace(A.protocol, grouped=True))
    assert "Folds do not keep groups together in runs/b" in compare(named(grouped, A)).notes[0]


def test_repeats_in_the_same_folds_are_judged_by_the_corrected_t_test():
    a, b, c = made_up(repeats=2), made_up(WORSE, repeats=2), made_up(repeats=2, seed=3)
    assert compare(named(a, b)).verdicts[0].test == "corrected resampled t-test"
    assert compare(named(a, c)).verdicts[0].test == "McNemar's test"
    three = compare(named(a, b, c))
    assert len(three.verdicts) == 3
    assert all(each.p_holm >= each.p for each in three.verdicts)
