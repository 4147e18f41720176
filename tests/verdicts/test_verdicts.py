"""Verdicts claim what interval and test both say, and no more."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from support.made_up_runs import NO_OVERLAP, ROWS, SINGLES, UNSHARED, made_up

from stackkit.evaluation.learning_curve import LearningCurve
from stackkit.statistics.bootstrap import difference_interval
from stackkit.statistics.paired_tests import holm, mcnemar
from stackkit.verdicts.sentences import named, on_difference, titles
from stackkit.verdicts.verdict import Selected, Verdict, Verdicts

RUN = made_up()


def test_a_difference_is_called_better_only_where_interval_and_corrected_test_agree():
    def sentence(difference, interval, p_holm, comparisons=3):
        return on_difference("a", "b", difference, interval, p_holm, "McNemar's test", comparisons)

    assert sentence(0.001, (-0.004, 0.006), 0.9) == (
        "a is ahead of b by 0.1 points, 95 % interval -0.4 to 0.6: no difference can be claimed."
    )
    assert sentence(0.023, (0.011, 0.035), 0.002) == (
        "a is better than b by 2.3 points, 95 % interval 1.1 to 3.5 (p = 0.002, McNemar's test, Holm's "
        "correction for 3 comparisons)."
    )
    assert sentence(-0.023, (-0.035, -0.011), 0.0001, 1) == (
        "a is worse than b by 2.3 points, 95 % interval 1.1 to 3.5 (p < 0.001, McNemar's test)."
    )
    assert sentence(0.023, (0.001, 0.035), 0.08) == (
        "a is ahead of b by 2.3 points, 95 % interval 0.1 to 3.5: no difference can be claimed, since "
        "the test does not confirm it (p = 0.080, McNemar's test, Holm's correction for 3 comparisons)."
    )
    assert sentence(0.0, (-0.004, 0.004), 1.0) == (
        "a and b differ by 0.0 points, 95 % interval -0.4 to 0.4: no difference can be claimed."
    )
    assert "is behind b by 0.4 points, 95 % interval -0.1 to 1.0" in sentence(-0.004, (-0.01, 0.001), 1)


def test_verdicts_equal_the_statistics_they_are_made_of():
    run, verdicts = RUN, RUN.judged
    rows = [*run.results, *run.references]
    correct = run.outcomes.correct()
    assert verdicts.headline == 3  # the first aggregator, whatever the others reach
    assert [each.first for each in verdicts.against_best_single] == [0, 1, 3, 4, 5]
    assert {each.second for each in verdicts.against_best_single} == {2}
    for family in (verdicts.against_best_single, verdicts.pairs):
        ps = [mcnemar(correct[:, each.first], correct[:, each.second]) for each in family]
        assert [each.p for each in family] == ps
        assert [each.p_holm for each in family] == pytest.approx(list(holm(ps)))
        for each in family:
            difference = rows[each.first].accuracy - rows[each.second].accuracy
            assert each.difference == difference
            both = correct[:, each.first], correct[:, each.second]
            assert each.interval_95 == pytest.approx(difference_interval(*both))
            assert each.claimed == (each.p_holm < 0.05 and not np.prod(each.interval_95) <= 0)
    assert len(verdicts.pairs) == 15
    assert all(each.difference >= 0 for each in verdicts.pairs)


def test_the_best_row_is_corrected_for_being_chosen():
    verdicts = RUN.judged
    single = verdicts.best_single
    assert single.row == 2
    assert single.among == (0, 1, 2)
    assert single.corrected < single.accuracy == 0.85
    assert "corrected for this choice, it is" in single.sentence
    assert verdicts.best.row == 3
    assert verdicts.best.among == tuple(range(6))
    assert verdicts.gain.difference > 0.07  # what the row that was chosen owed to the choice
    assert "corrected for choosing that one on the same images" in verdicts.gain.sentence
    assert verdicts.gain.p_holm == verdicts.gain.p


def test_without_a_choice_there_is_nothing_to_correct():
    verdicts = made_up({"logistic on lite0": 0.8, "average-svm": 0.9, "largest class": 0.1}).verdicts()
    single = verdicts.best_single
    assert single.corrected == single.accuracy == pytest.approx(0.8)
    assert "no choice to correct for" in single.sentence
    assert verdicts.gain.test == "McNemar's test"
    assert verdicts.summary[1] == verdicts.gain.sentence


def test_without_an_aggregator_the_report_is_about_the_best_row_and_has_no_gain():
    verdicts = made_up({**SINGLES, "largest class": 0.1}).verdicts(shared=UNSHARED)
    assert verdicts.headline == 2
    assert verdicts.gain is None
    assert [sentence.split(" is right")[0] for sentence in verdicts.summary[:1]] == ["logistic on lite2"]
    assert 2 <= len(verdicts.summary) <= 5


def test_the_summary_says_how_good_how_sure_and_what_it_adds():
    summary = made_up().verdicts(shared=UNSHARED).summary
    assert summary[0] == (
        "average-svm is right for 92.0 % of the images that it was not fitted on, 95 % interval 89.6 to "
        "93.9; always answering the largest class is right for 10.0 %."
    )
    assert summary[1].startswith("average-svm adds 7.7 points to the best single backbone (logistic ")
    assert (
        "(p < 0.001), corrected for choosing that one on the same images; as measured, it is 7.0"
        in summary[1]
    )
    assert summary[2].startswith("average-svm has the highest accuracy of all 6 rows: 92.0 %")
    assert summary[2].endswith("no difference from soft-vote can be claimed.")
    assert "in-sample" in summary[3]
    assert "Groups of images" in summary[3]
    assert len(summary) == 4


def test_the_summary_claims_neither_a_gain_nor_a_loss_that_may_be_chance():
    single = "the best single backbone (logistic on lite2)"
    chance = made_up({**ROWS, "average-svm": 0.851}).verdicts().summary[1]
    assert chance.startswith(f"No gain of average-svm over {single} can be claimed: 0.0 points, ")
    equal = made_up(dict.fromkeys([*SINGLES, "average-svm"], 0.8)).verdicts().summary[2]
    assert "has the highest accuracy of all 4 rows, as have 3 more: 80.0 %" in equal
    worse = made_up({**ROWS, "average-svm": 0.70}).verdicts().summary[1]
    assert worse.startswith(f"average-svm is worse than {single} by ")


def test_a_gain_is_claimed_only_if_it_is_one_without_the_correction_too():
    alike = {**dict.fromkeys(SINGLES, 0.858), "linear-svm on lite2": 0.859, "logistic on lite2": 0.86}
    verdicts = made_up({**alike, "average-svm": 0.88, "largest class": 0.1}).verdicts()
    measured = next(each for each in verdicts.against_best_single if each.first == verdicts.headline)
    assert verdicts.gain.interval_95[0] > 0
    assert verdicts.gain.p < 0.05
    assert measured.p > 0.05
    assert not verdicts.gain.claimed
    for sentence in (verdicts.gain.sentence, verdicts.summary[1]):
        assert sentence.startswith("No gain of average-svm over the best single backbone (logistic on ")
        assert "2.0 points, 95 % interval -0." in sentence
        assert "corrected for this choice" in sentence


def test_the_summary_names_what_changes_its_reading():
    untrained = made_up(untrained=True).verdicts(shared=UNSHARED).summary
    assert untrained[0] == "Networks have random weights, so no accuracy here means anything."
    copies = replace(NO_OVERLAP, sets=3, test_images=7)
    duplicates = replace(UNSHARED.duplicates, in_train_and_test=copies)
    summary = made_up(kind="official-split", folds=1).verdicts(
        shared=replace(UNSHARED, duplicates=duplicates),
        learning_curve=LearningCurve(curves=(), sentence="More images would help."),
    )
    assert "7 test images have a copy among the training images" in summary.summary[4]
    assert "Groups" not in summary.summary[4]  # those of an official split are its authors' matter
    assert summary.summary[3] == "More images would help."


def test_repeats_are_judged_by_the_corrected_resampled_t_test_and_groups_as_a_whole():
    repeated = made_up(repeats=3).verdicts()
    assert {each.test for each in repeated.pairs} == {"corrected resampled t-test"}
    grouped, single = made_up(group_size=5).verdicts(), RUN.judged
    assert {each.test for each in grouped.pairs} == {"McNemar's test for groups"}

    def width(verdicts):
        low, high = verdicts.best.interval_95
        return high - low

    assert width(grouped) > 1.5 * width(single)


def test_rows_with_one_name_are_told_apart():
    rows = made_up({"logistic on lite0": 0.8, "linear-svm on lite0": 0.8, "largest class": 0.1})
    same = [replace(each, name="logistic") for each in rows.results]
    assert titles([*same, *rows.references]) == [
        "logistic on lite0 (learner)",
        "logistic on lite0 (baseline)",
        "always answering the largest class",
    ]
    assert named(["a"]) == "a"
    assert named(["a", "b", "c"]) == "a, b and c"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_the_page_on_reports_describes_every_field_of_verdicts():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "report.md").read_text(encoding="utf-8")
    section = page.split("## Verdicts")[1].split("\n## ")[0]
    known = [field.name for kind in (Verdict, Selected, Verdicts) for field in fields(kind)]
    assert [name for name in known if f"`{name}`" not in section] == []
