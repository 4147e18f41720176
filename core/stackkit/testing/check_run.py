"""A subject and its promises, each put to the test once and after those that it builds on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from stackkit.testing.check import Check, Verdict, judge_within

S = TypeVar("S")


class Trial(Generic[S]):
    """What became of the promises of one subject so far."""

    def __init__(self, subject: S, promises: Iterable[Check]) -> None:
        self.subject = subject
        self.promises = {promise.name: promise for promise in promises}
        self._verdicts: dict[str, Verdict] = {}

    def verdict(self, promise: Check, limit_s: float | None) -> Verdict:
        """Whether a promise is kept; skipped if one that it builds on is broken."""
        if promise.name not in self._verdicts:
            self._verdicts[promise.name] = self._judged(promise, limit_s)
        return self._verdicts[promise.name]

    def _judged(self, promise: Check, limit_s: float | None) -> Verdict:
        if first := self._broken_before(promise, limit_s):
            return Verdict(word="skipped", found=f"mend {first} first")
        return judge_within(limit_s, promise, self.subject)

    def _broken_before(self, promise: Check, limit_s: float | None) -> str:
        """The name of the first fault on the way to a promise, or ""."""
        for name in promise.after:
            earlier = self.promises[name]
            if first := self._broken_before(earlier, limit_s):
                return first
            if self.verdict(earlier, limit_s).word == "BROKEN":
                return name
        return ""
