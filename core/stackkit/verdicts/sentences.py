"""Put comparisons into plain words: "better" is said only where interval and test both say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stackkit.evaluation.metrics import Result
from stackkit.evaluation.table_row import sources
from stackkit.statistics.intervals import Interval
from stackkit.statistics.selection import Estimate
from stackkit.utils.figures import ends, in_percent, p_value, percent

LEVEL = 0.05
"""A difference is claimed if its corrected p-value is below."""

MAX_NAMED = 3
"""Number of rows that a sentence names."""

_REFERENCES = {
    "largest class": "always answering the largest class",
    "plain mean": "the plain mean of all probabilities",
}


def titles(results: Sequence[Result]) -> list[str]:
    """Return an unambiguous title for each row of a table, such as "logistic on resnet50"."""
    found = [_title(result) for result in results]
    counts = Counter(found)
    return [
        f"{title} ({result.kind})" if counts[title] > 1 else title
        for title, result in zip(found, results, strict=True)
    ]


def _title(result: Result) -> str:
    if result.kind == "reference":
        return _REFERENCES.get(result.name, result.name)
    if result.kind == "aggregator":
        return result.name
    return f"{result.name} on {sources(result.backbones, len(result.learners))}"


def points(difference: float) -> str:
    """Return the size of a difference in percentage points, such as "0.1 points"."""
    return f"{in_percent(abs(difference))} points"


def signed_points(difference: float) -> str:
    """Return a difference in percentage points with a minus sign if it is one, such as "-0.4 points"."""
    return f"{in_percent(difference)} points"


def p_equals(p: float) -> str:
    """Return a p-value as papers print it, such as "p = 0.012"."""
    found = p_value(p)
    return f"p {found}" if found.startswith("<") else f"p = {found}"


def is_claimed(interval: Interval, p_holm: float) -> bool:
    """Return whether a difference may be claimed: the interval excludes 0, and the test agrees."""
    return not interval[0] <= 0 <= interval[1] and p_holm < LEVEL


def on_difference(
    first: str,
    second: str,
    difference: float,
    interval: Interval,
    p_holm: float,
    test: str,
    comparisons: int,
) -> str:
    """Say whether one row is better than another.

    Parameters
    ----------
    first, second : str
        Titles of the rows.
    difference : float
        Accuracy of the first minus that of the second.
    interval : tuple of (float, float)
        Its 95 % interval.
    p_holm : float
        Corrected p-value.
    test : str
        The test that it is from.
    comparisons : int
        Number of comparisons that it is corrected for.

    Returns
    -------
    str
        A sentence, such as "average-svm is ahead of soft-vote by 0.1 points, 95 % interval -0.4 to 0.6:
        no difference can be claimed."

    """
    if difference < 0:  # the figures of a sentence have the direction of its word
        difference, interval = -difference, (-interval[1], -interval[0])
        words = ("worse than", "behind")
    else:
        words = ("better than", "ahead of")
    corrected = f"{p_equals(p_holm)}, {test}"
    if comparisons > 1:
        corrected += f", Holm's correction for {comparisons} comparisons"
    size = f"{points(difference)}, 95 % interval {ends(interval)}"
    if is_claimed(interval, p_holm):
        return f"{first} is {words[0]} {second} by {size} ({corrected})."
    why = (
        "" if interval[0] <= 0 <= interval[1] else f", since the test does not confirm it ({corrected})"
    )
    if round(100 * difference, 1) == 0:
        return f"{first} and {second} differ by {size}: no difference can be claimed{why}."
    return f"{first} is {words[1]} {second} by {size}: no difference can be claimed{why}."


def on_gain(stack: str, single: str, measured: Estimate, corrected: Estimate, *, claimed: bool) -> str:
    """Say what a stack adds to the best single backbone, as measured and corrected for the choice.

    Parameters
    ----------
    stack, single : str
        Titles of the rows.
    measured, corrected : Estimate
        Difference of their accuracies: on all images, and with the choice of the single backbone
        repeated.
    claimed : bool
        Whether both say that the rows differ.

    """
    best = f"the best single backbone ({single})"
    if not claimed:
        plain, fair = (
            f"{signed_points(each.value)}, 95 % interval {_ends_and_p(each)}"
            for each in (measured, corrected)
        )
        return (
            f"No gain of {stack} over {best} can be claimed: {plain}, as measured, which tends to be "
            f"too low because that backbone was chosen on the same images; {fair}, corrected for this "
            "choice, which can be a little too high. A gain is claimed only where both agree."
        )
    size = points(corrected.value)
    said = f"adds {size} to {best}" if corrected.value > 0 else f"is worse than {best} by {size}"
    upwards = corrected.value > 0  # the figures of a sentence have the direction of its word
    return (
        f"{stack} {said}, 95 % interval {_ends_and_p(corrected, upwards=upwards)}, corrected for "
        f"choosing that one on the same images; as measured, it is {points(measured.value)}, "
        f"{_ends_and_p(measured, upwards=upwards)}."
    )


def _ends_and_p(estimate: Estimate, *, upwards: bool = True) -> str:
    low, high = estimate.interval_95
    p = "" if estimate.p is None else f" ({p_equals(estimate.p)})"
    return ends((low, high) if upwards else (-high, -low)) + p


def on_selection(
    title: str, count: int, what: str, accuracy: float, corrected: float, interval: Interval
) -> str:
    """Say how much of the accuracy of the best row is left after the correction for choosing it.

    Parameters
    ----------
    title : str
        The row.
    count : int
        Number of rows that it was chosen from.
    what : str
        What these are, such as "rows on a single backbone".
    accuracy, corrected : float
        Before and after the correction.
    interval : tuple of (float, float)
        95 % interval of the corrected accuracy.

    """
    if count == 1:
        return (
            f"{title} is right for {percent(accuracy)}, 95 % interval {ends(interval)}; it is the only "
            f"one of the {what}, so there is no choice to correct for."
        )
    return (
        f"{title} has the highest accuracy of {count} {what}: {percent(accuracy)}. It was chosen on the "
        f"same test images, which favours it; corrected for this choice, it is {percent(corrected)}, "
        f"95 % interval {ends(interval)}."
    )


def named(some: Sequence[str]) -> str:
    """Return titles as a list in words, such as "a, b and 3 more"."""
    shown, more = list(some[:MAX_NAMED]), len(some) - MAX_NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""
