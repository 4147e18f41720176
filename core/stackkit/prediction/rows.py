"""Results as rows of a table and as JSON objects: one per image, also for images that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from stackkit.api.dataset import FailedImage
from stackkit.prediction.image_sources import shown
from stackkit.prediction.record import Prediction

Result: TypeAlias = Prediction | FailedImage
"""What is known about one image: a record, or why it could not be read."""

_FIRST = ("source", "label", "probability", "accepted", "novel", "novelty", "error", "remarks", "target")


def columns(top: int, n_learners: int) -> list[str]:
    """Return the names of the columns of `row`.

    Parameters
    ----------
    top : int
        How many of the most probable classes there are.
    n_learners : int
        How many base learners the model has; `vote_1` is that of the first one.

    """
    places = [("top", number) for number in range(1, top + 1)]
    places += [("vote", number) for number in range(1, n_learners + 1)]
    return [*_FIRST, *(f"{what}_{n}{part}" for what, n in places for part in ("", "_probability"))]


def row(result: Result, target: str | None = None) -> dict[str, Any]:
    """Return a result as one value per column; columns without a value are left out.

    Names of classes and components may come from anybody: what a terminal would obey is escaped.
    """
    if isinstance(result, FailedImage):
        return {"source": result.id, "error": result.reason}
    found = {
        "source": result.source,
        "label": shown(result.label),
        "probability": result.probability,
        "accepted": result.accepted,
        "novel": result.novel,
        "novelty": result.novelty,
        "remarks": "; ".join(result.remarks) or None,
        "target": target,
    }
    groups: Sequence[tuple[str, Sequence[Any]]] = (("top", result.top), ("vote", result.votes))
    for what, each in groups:
        for number, one in enumerate(each, start=1):
            name = f"{what}_{number}"
            found |= {name: shown(one.label), f"{name}_probability": one.probability}
    return found


def document(result: Result, target: str | None = None) -> dict[str, Any]:
    """Return a result as a JSON object: that of the record, or `source` and `error`."""
    if isinstance(result, FailedImage):
        return {"source": result.id, "error": result.reason}
    return result.document() | ({"target": target} if target is not None else {})
