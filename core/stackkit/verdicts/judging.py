"""Judge a finished run: how good it is, what stacking adds, and which rows can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stackkit.evaluation.learning_curve import LearningCurve
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.outcomes import Outcomes
from stackkit.evaluation.overlaps import SharedImages
from stackkit.evaluation.protocol import Protocol
from stackkit.statistics.selection import Estimate, corrected_best, corrected_gain
from stackkit.verdicts.headline import headline_among
from stackkit.verdicts.paired import PairedAnswers, RepeatedFolds
from stackkit.verdicts.sentences import is_claimed, on_gain, on_selection, titles
from stackkit.verdicts.summary import Summary
from stackkit.verdicts.verdict import Selected, Verdict, Verdicts

GAIN_TEST = "bootstrap with the choice repeated"


def make_verdicts(
    results: Sequence[Result],
    references: Sequence[Result],
    outcomes: Outcomes,
    protocol: Protocol,
    *,
    learning_curve: LearningCurve | None = None,
    shared: SharedImages | None = None,
) -> Verdicts:
    """Compare all rows of a report.

    Parameters
    ----------
    results, references : sequence of Result
        The rows of the table, and what they are measured against.
    outcomes : Outcomes
        What all of them predicted.
    protocol : Protocol
        How the images were divided; repeats decide on the test.
    learning_curve : LearningCurve or None
        Its sentence is part of the summary.
    shared : SharedImages or None
        Groups and copies that are in training and test parts, which the summary mentions.

    """
    rows = (*results, *references)
    judge = _Judge(rows=rows, answers=_answers(rows, outcomes, protocol))
    singles = judge.singles()
    headline = headline_among([each.kind for each in results], [each.accuracy for each in results])
    single = judge.selected(singles, "rows on a single backbone")
    against = judge.answers.verdicts([(at, single.row) for at in range(len(rows)) if at != single.row])
    found = Verdicts(
        headline=headline,
        summary=(),
        against_best_single=against,
        pairs=judge.answers.verdicts(judge.answers.pairs()),
        best_single=single,
        best=judge.selected(range(len(rows)), "rows"),
        gain=None if headline in singles else judge.gain(headline, single),
    )
    summary = Summary(
        rows=rows,
        titles=judge.answers.titles,
        verdicts=found,
        protocol=protocol,
        learning_curve=learning_curve,
        shared=shared,
    )
    return replace(found, summary=summary.sentences())


def _answers(rows: Sequence[Result], outcomes: Outcomes, protocol: Protocol) -> PairedAnswers:
    return PairedAnswers(
        titles=titles(rows),
        accuracy=[row.accuracy for row in rows],
        correct=outcomes.correct(),
        groups=None if outcomes.groups is None else outcomes.groups[outcomes.tested],
        folds=RepeatedFolds.of(rows, outcomes) if protocol.repeats > 1 else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """All rows, the references last, and their answers."""

    rows: Sequence[Result]
    answers: PairedAnswers

    def singles(self) -> list[int]:
        """Return the rows that `best_single` chooses from."""
        return [at for at, row in enumerate(self.rows) if row.kind in {"baseline", "learner"}]

    def selected(self, among: Sequence[int], what: str) -> Selected:
        row = max(among, key=lambda at: self.rows[at].accuracy)
        accuracy, corrected = self.rows[row].accuracy, self.rows[row].accuracy
        interval = self.rows[row].interval_95
        if len(among) > 1:
            found = corrected_best(self.answers.correct, among, groups=self.answers.groups)
            # Random draws can bring it a little above where the same row is nearly always the best.
            corrected, interval = min(found.value, accuracy), found.interval_95
        title = self.answers.titles[row]
        return Selected(
            row=row,
            among=tuple(among),
            accuracy=accuracy,
            corrected=corrected,
            interval_95=interval,
            sentence=on_selection(title, len(among), what, accuracy, corrected, interval),
        )

    def gain(self, row: int, single: Selected) -> Verdict:
        """Return the verdict on a row against the best single backbone, corrected for the choice.

        The corrected difference is a little too high, because a bootstrap sample chooses less well than
        all images do. So the difference without the correction must say the same. Holm's correction has
        no place here: this is one comparison, which nobody chose.
        """
        answers = self.answers
        (measured,) = answers.verdicts([(row, single.row)])
        if len(single.among) == 1:  # there is no choice to correct for
            return measured
        found = corrected_gain(answers.correct, row, single.among, groups=answers.groups)
        p = 1.0 if found.p is None else found.p
        agree = measured.claimed and found.value * measured.difference > 0
        claimed = agree and is_claimed(found.interval_95, p)
        plain = Estimate(value=measured.difference, interval_95=measured.interval_95, p=measured.p)
        titles = answers.titles[row], answers.titles[single.row]
        return Verdict(
            first=row,
            second=single.row,
            difference=found.value,
            interval_95=found.interval_95,
            p=p,
            p_holm=p,
            test=GAIN_TEST,
            claimed=claimed,
            sentence=on_gain(*titles, plain, found, claimed=claimed),
        )
