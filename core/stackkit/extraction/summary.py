"""What an extraction did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stackkit.api.dataset import FailedImage
from stackkit.extraction.decoding import Remarks, damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSummary:
    """What an extraction did.

    Parameters
    ----------
    computed, reused : mapping of str to int
        Number of rows computed, and of rows that were stored already, by label of the feature set.
    failed : tuple of FailedImage
        Images without a row.
    remarks : mapping of str to tuple of ImageRemark
        What is special about images, by id. `extract` returns those of images that it decoded.
    notes : tuple of str
        What else the user must know about the features.

    """

    computed: Mapping[str, int]
    reused: Mapping[str, int]
    failed: tuple[FailedImage, ...]
    remarks: Mapping[str, Remarks] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def suspect(self) -> tuple[FailedImage, ...]:
        """Images that have a row, although their data are damaged, with reasons."""
        return tuple(damaged(self.remarks))
