"""Say in two to five sentences how good a stack is, how sure that is, and what it adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stackkit.evaluation.learning_curve import LearningCurve
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.overlaps import SharedImages
from stackkit.evaluation.protocol import Protocol
from stackkit.evaluation.references import LARGEST_CLASS
from stackkit.utils.figures import ends, percent
from stackkit.verdicts.sentences import named
from stackkit.verdicts.verdict import Verdicts

TIE = 1e-9
"""Accuracies that differ by less are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the sentences are made from: `verdicts` without a summary; the rest as in `make_verdicts`."""

    rows: Sequence[Result]
    titles: Sequence[str]
    verdicts: Verdicts
    protocol: Protocol
    learning_curve: LearningCurve | None
    shared: SharedImages | None

    def sentences(self) -> tuple[str, ...]:
        """Return the sentences in the order in which they are read."""
        untrained = any(row.untrained for row in self.rows)
        found = (
            ["Networks have random weights, so no accuracy here means anything."] if untrained else []
        )
        found.append(self._accuracy())
        if self.verdicts.gain:
            found.append(self.verdicts.gain.sentence)
        found.append(self._best())
        if self.learning_curve:
            found.append(self.learning_curve.sentence)
        if not untrained and (caveats := list(self._caveats())):
            found.append(" ".join(caveats))
        return tuple(found)

    def _accuracy(self) -> str:
        row = self.rows[self.verdicts.headline]
        chance = [each for each in self.rows if each.name == LARGEST_CLASS]
        beside = (
            f"; always answering the largest class is right for {percent(chance[0].accuracy)}"
            if chance
            else ""
        )
        return (
            f"{self.titles[self.verdicts.headline]} is right for {percent(row.accuracy)} of the images "
            f"that it was not fitted on, 95 % interval {ends(row.interval_95)}{beside}."
        )

    def _best(self) -> str:
        best = self.verdicts.best
        alike = [
            self.titles[each.second if each.first == best.row else each.first]
            for each in self.verdicts.pairs
            if best.row in {each.first, each.second} and not each.claimed
        ]
        told = (
            f"no difference from {named(alike)} can be claimed"
            if alike
            else "it is better than every other row"
        )
        # Means over folds that are equal may differ in the last digits.
        equal = sum(abs(row.accuracy - best.accuracy) < TIE for row in self.rows) - 1
        tied = f", as {'have' if equal > 1 else 'has'} {equal} more" if equal else ""
        return (
            f"{self.titles[best.row]} has the highest accuracy of all {len(self.rows)} rows{tied}: "
            f"{percent(best.accuracy)}, or {percent(best.corrected)} corrected for this choice; {told}."
        )

    def _caveats(self) -> Iterator[str]:
        if self.rows[self.verdicts.headline].fit_on == "in-sample":
            yield (
                f"{self.titles[self.verdicts.headline]} learned from in-sample probabilities, which are "
                "too confident; compare it with an aggregator on out-of-fold probabilities."
            )
        if self.shared is None:
            return
        groups, copies = self.shared.groups, self.shared.duplicates.in_train_and_test
        if groups is None and self.protocol.kind != "official-split":
            yield (
                "Groups of images, such as photos of one individual, are not known; if there are any, "
                "accuracies are lower on images of new groups."
            )
        elif groups and groups.in_train_and_test.sets:
            yield (
                f"{groups.in_train_and_test.test_images:,} test images have images of their group among "
                "the training images, so accuracies are too high for new groups."
            )
        if copies.sets:
            yield (
                f"{copies.test_images:,} test images have a copy among the training images, so "
                "accuracies are too high."
            )
