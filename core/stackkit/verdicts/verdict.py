"""Say which rows of the table differ by more than chance, in figures and in a sentence each."""

from __future__ import annotations

from dataclasses import dataclass

from stackkit.statistics.intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row compared with another on the same images.

    Parameters
    ----------
    first, second : int
        Positions in `Report.results`, then `Report.references`.
    difference : float
        Accuracy of the first minus that of the second, in [-1, 1].
    interval_95 : tuple of (float, float)
        Paired bootstrap over images, or over groups of them, see `bootstrap.difference_interval`.
    p : float
        Of McNemar's test, or over repeats of the corrected resampled t-test.
    p_holm : float
        The same after Holm's correction for all verdicts of its family.
    test : str
        Name of the test.
    sentence : str
        The verdict in plain words.
    claimed : bool
        Whether interval and test both say that the rows differ.

    """

    first: int
    second: int
    difference: float
    interval_95: Interval
    p: float
    p_holm: float
    test: str
    sentence: str
    claimed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The best of several rows, and its accuracy corrected for being chosen on the same images.

    Parameters
    ----------
    row : int
        Position of the best row.
    among : tuple of int
        Positions of the rows that it was chosen from.
    accuracy, corrected : float
        Before and after the correction.
    interval_95 : tuple of (float, float)
        Of the corrected accuracy.
    sentence : str
        The correction in plain words.

    """

    row: int
    among: tuple[int, ...]
    accuracy: float
    corrected: float
    interval_95: Interval
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """All comparisons of a report.

    Parameters
    ----------
    headline : int
        Position of the row that the report is about: the first aggregator, or the best row without one.
    summary : tuple of str
        Two to five sentences to read first: how good the stack is, how sure that is, what it adds.
    against_best_single : tuple of Verdict
        Every other row against the best row on a single backbone.
    pairs : tuple of Verdict
        Every pair of rows, the better one first.
    best_single, best : Selected
        The best row on a single backbone, and the best of all rows.
    gain : Verdict or None
        The headline row against the best single backbone, where this one is chosen again in every
        bootstrap sample and both are measured on the images outside it. Claimed only if the difference
        without this correction, as one comparison, says the same. None if the headline row is on a
        single backbone.

    """

    headline: int
    summary: tuple[str, ...]
    against_best_single: tuple[Verdict, ...]
    pairs: tuple[Verdict, ...]
    best_single: Selected
    best: Selected
    gain: Verdict | None
