"""A dataset, and some of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stackkit.testing.subject import Subject
from stackkit.types import Dataset


@dataclass(frozen=True, kw_only=True)
class DatasetSubject(Subject):
    """A dataset, and a dozen of its samples."""

    @property
    def dataset(self) -> Dataset:
        """The first object; a promise about it is skipped if there is none."""
        dataset: Dataset = self.made
        return dataset

    @cached_property
    def some(self) -> Sequence[int]:
        """A dozen sample numbers, the first and the last among them."""
        last = len(self.dataset.samples) - 1
        return sorted({round(last * step / 11) for step in range(12)})

    @cached_property
    def paths(self) -> dict[str, Path]:
        """The given options that are files or folders which exist."""
        texts = {name: value for name, value in self.given.items() if isinstance(value, str) and value}
        found = {name: Path(text).expanduser() for name, text in texts.items()}
        return {name: path for name, path in found.items() if path.exists()}
