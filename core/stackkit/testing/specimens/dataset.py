"""A dataset, and some of its samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stackkit.testing.subject import Subject, probe
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
        """The options that are files or folders which exist: those given, and defaults that look so."""
        declared = {option.name: option for option in self.component.spec.options}
        found = {}
        for name, value in self.choice().options.items():
            if isinstance(value, str) and value and not declared[name].choices:
                named = name in self.given or name == "root" or os.sep in value
                if named and (path := Path(value).expanduser()).exists():
                    found[name] = path
        return found

    @cached_property
    def elsewhere(self) -> dict[str, Any]:
        """What a new process has, where hashes and the file system's order are others."""
        options = dict(self.choice().options)
        request = {"ask": "dataset", "name": self.name, "options": options, "some": list(self.some)}
        seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
        return probe(self.target, request, environ={"PYTHONHASHSEED": seed})
