"""What a model says about several images: a sequence of records that becomes a table or a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from stackkit.api.dataset import FailedImage
from stackkit.library.frames import data_frame
from stackkit.library.html import listed, table
from stackkit.prediction.acceptance import Acceptance
from stackkit.prediction.record import Prediction
from stackkit.prediction.rows import row
from stackkit.utils.figures import percent

MOST_ROWS = 20
"""Number of images that a notebook shows."""


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """Records of images, in the order in which the images were given.

    Attributes
    ----------
    records : tuple of Prediction
        The records; the object itself is a sequence of them.
    failed : tuple of FailedImage
        Images that could not be read, with `id` and `reason`; only with `on_error="skip"`.
    acceptance : Acceptance or None
        With `min_confidence` or `target_precision`: the `confidence` from which labels are accepted, and
        the `coverage` and `precision` that this has on images that were left out in training; both are
        None if an update with new classes made them unknown.

    """

    records: tuple[Prediction, ...]
    failed: tuple[FailedImage, ...] = ()
    acceptance: Acceptance | None = None

    @property
    def labels(self) -> list[str]:
        """The predicted class of each image."""
        return [each.label for each in self.records]

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with a row per image.

        Its columns are those of `stackkit predict --csv`: `source`, `label`, `probability`, `accepted`,
        `novel`, `novelty`, `remarks`, then `top_1`, `top_1_probability`, and so on, and the same of
        `vote_1`.

        Raises
        ------
        StackkitError
            If pandas is not installed.

        """
        return data_frame([row(each) for each in self.records]).drop(columns="target", errors="ignore")

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.records)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Predictions: ...
    def __getitem__(self, index: int | slice) -> Prediction | Predictions:
        if isinstance(index, slice):
            return Predictions(records=self.records[index], acceptance=self.acceptance)
        return self.records[index]

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} that could not be read" if self.failed else ""
        return f"<Predictions of {len(self):,} images{failed}>"

    def _repr_html_(self) -> str:
        rows = [
            [each.source, each.label, percent(each.probability), _remarks(each)]
            for each in self.records[:MOST_ROWS]
        ]
        more = len(self) - MOST_ROWS
        lines = [f"... and {more:,} more"] if more > 0 else []
        lines += [self.acceptance.text] if self.acceptance else []
        lines += [f"could not be read: {each.id}: {each.reason}" for each in self.failed[:MOST_ROWS]]
        return table(["image", "label", "probability", ""], rows) + listed(lines)


def _remarks(record: Prediction) -> str:
    found = [] if record.accepted else ["below the threshold"]
    if record.novel:
        found.append("unlike the training images")
    return "; ".join([*found, *record.remarks])
