"""Decide which runs can be compared: the same protocol, the same classes, the same test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import UsageError
from stackkit.evaluation.outcomes import Outcomes
from stackkit.report.record import Record
from stackkit.report.rows import check_whole

Named: TypeAlias = tuple[str, Record]
"""How the user calls a run, and its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Predictions in an order that two runs on the same images share: by name of the image.

    Parameters
    ----------
    images : ndarray of shape (n_tested,), int64
        Positions in `Outcomes.tested`.
    folds : ndarray of shape (n, 2), int64
        Repeat and fold of each prediction, by image and repeat.
    repeats : int
        Number of repeats.

    """

    images: NDArray[np.int64]
    folds: NDArray[np.int64]
    repeats: int

    def same_folds(self, other: Aligned) -> bool:
        """Return whether all images were predicted in the same folds."""
        return np.array_equal(self.folds, other.folds)


def aligned(outcomes: Outcomes) -> Aligned:
    """Order the predictions of a run by the names of their images."""
    tested = outcomes.tested
    images = np.array(sorted(range(len(tested)), key=lambda at: outcomes.ids[int(tested[at])]), np.int64)
    rank = np.empty(len(outcomes.ids), np.int64)
    rank[tested[images]] = np.arange(len(tested))
    order = np.lexsort((outcomes.repeat, rank[outcomes.image]))
    folds = np.column_stack([outcomes.repeat[order], outcomes.fold[order]])
    return Aligned(images=images, folds=folds, repeats=int(outcomes.repeat.max()) + 1)


def check_comparable(runs: Sequence[Named]) -> None:
    """Check that all runs can be compared with the first one.

    Raises
    ------
    UsageError
        If the protocol, the classes or the tested images differ, or the files of a run do not belong
        together.

    """
    for name, record in runs:
        check_whole(name, record.document, record.outcomes)
    for run in runs[1:]:
        _check_protocol(runs[0], run)
        _check_classes(runs[0], run)
        _check_images(runs[0], run)


def _check_protocol(first: Named, second: Named) -> None:
    kinds = [record.document["protocol"]["kind"] for _, record in (first, second)]
    if kinds[0] == kinds[1]:
        return
    others = [
        f"{name}/{record.other.folder.name} instead of {name}"
        for (name, record), kind in zip((first, second), reversed(kinds), strict=True)
        if record.other and record.other.folder and record.other.document["protocol"]["kind"] == kind
    ]
    remedy = f"give {others[0]}" if others else "rerun one of them with the other's protocol"
    raise UsageError(
        f"{first[0]} was measured by {_title(first)}, {second[0]} by {_title(second)}, and figures of "
        f"different protocols are not comparable; {remedy}"
    )


def _title(run: Named) -> str:
    return str(run[1].document["protocol"]["title"])


def _check_classes(first: Named, second: Named) -> None:
    for (one, record), (other, without) in ((first, second), (second, first)):
        if more := sorted(set(record.outcomes.classes) - set(without.outcomes.classes)):
            raise UsageError(
                f"{one} has {len(more)} class(es) that {other} does not have (first {more[0]!r}), so "
                "the runs are not comparable; rerun one of them on the dataset of the other"
            )


def _check_images(first: Named, second: Named) -> None:
    one, other = (_contents(record.outcomes) for _, record in (first, second))
    shared = one.keys() & other.keys()
    differences = {
        f"only in {first[0]}": one.keys() - shared,
        f"only in {second[0]}": other.keys() - shared,
        "under another label": {each for each in shared if one[each][0] != other[each][0]},
        "with other content": {each for each in shared if one[each][1] != other[each][1]},
    }
    found = [f"{len(ids):,} {what}" for what, ids in differences.items() if ids]
    if found:
        example = min(min(ids) for ids in differences.values() if ids)
        raise UsageError(
            f"{first[0]} and {second[0]} were tested on different images: of "
            f"{len(one.keys() | other.keys()):,}, {', '.join(found)} (for example {example}); rerun one "
            "of them on the dataset of the other, with the same split and seed"
        )


def _contents(outcomes: Outcomes) -> Mapping[str, tuple[str, str]]:
    """Return class and fingerprint of each tested image."""
    return {
        outcomes.ids[at]: (outcomes.classes[int(outcomes.labels[at])], outcomes.fingerprints[at])
        for at in outcomes.tested.tolist()
    }


def notes_on_differences(runs: Sequence[Named]) -> Iterator[str]:
    """Yield what the runs do not have in common and what a reader of the comparison must know."""
    untrained = [name for name, record in runs if record.document.get("untrained")]
    if untrained:
        yield f"Untrained (random weights), so accuracies mean nothing: {', '.join(untrained)}."
    first, *others = [aligned(record.outcomes) for _, record in runs]
    if not all(each.same_folds(first) for each in others):
        divided = "; ".join(f"{name}: {_title((name, record))}" for name, record in runs)
        yield (
            f"The runs divide the images differently ({divided}), so part of a difference may come from "
            "other training images."
        )
    elif len({_trained_on(record.outcomes) for _, record in runs}) > 1:
        yield "The runs were fitted on different training images, which may cause a difference."
    if len({bool(record.document["protocol"].get("grouped")) for _, record in runs}) > 1:
        apart = [name for name, record in runs if not record.document["protocol"].get("grouped")]
        yield (
            f"Folds do not keep groups together in {', '.join(apart)}, where accuracies are too high "
            "for images of new groups."
        )
    if len(versions := {str(record.document.get("stackkit")) for _, record in runs}) > 1:
        yield f"The runs were made with different versions of stackkit: {', '.join(sorted(versions))}."


def _trained_on(outcomes: Outcomes) -> frozenset[str]:
    return frozenset(outcomes.fingerprints)
