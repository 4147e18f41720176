"""A check of the conformance kit, its verdict, and the order in which checks run."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, NoReturn, TypeVar

from stackkit.api.errors import StackkitError, one_line

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[[Any], None])

LIMIT_S = 120.0
"""Default time limit of one check: enough for a large network on two old cores."""

TRACEBACK = "the test of `conformance` shows the traceback"


class CheckFailedError(AssertionError):
    """Raised by a check that fails.

    Parameters
    ----------
    found : str
        What is wrong, in one line.
    remedy : str, default=""
        What to do about this fault. Empty: the remedy of the check applies.

    """

    def __init__(self, found: str, remedy: str = "") -> None:
        super().__init__(found)
        self.remedy = remedy


class CheckSkippedError(Exception):
    """Raised by a check that does not apply here; its text is the reason, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A property of a plugin or component that stackkit relies on, and how to test it.

    Parameters
    ----------
    name : str
        The check's part of a case id, such as ``"row-independence"``; unique within a kind.
    sentence : str
        The property, in one sentence.
    remedy : str
        What to do if the check fails.
    function : callable
        Called with the plugin or component under test. It returns None if the check passes and raises
        `CheckFailedError` or `CheckSkippedError` if not. Any other exception comes from the plugin
        and is a failure too.
    after : tuple of str, default=()
        Names of checks of the same component that this one builds on. It is skipped if one of them
        fails, so that one fault is reported once.

    """

    name: str
    sentence: str
    remedy: str
    function: Callable[[Any], None]
    after: tuple[str, ...] = ()


class CheckList(list[Check]):
    """The checks of a kind in the order of their report; `after` is the default of each."""

    def __init__(self, *, after: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._after = after

    def add(
        self, name: str, remedy: str, after: tuple[str, ...] | None = None
    ) -> Callable[[Function], Function]:
        """Add the decorated function as a check; its docstring is the check's sentence."""

        def decorate(function: Function) -> Function:
            sentence = " ".join((function.__doc__ or name).split())  # `python -OO` strips docstrings
            before = self._after if after is None else after
            self.append(
                Check(name=name, sentence=sentence, remedy=remedy, function=function, after=before)
            )
            return function

        return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of a check; `found` says what is wrong or why the check was skipped."""

    status: Literal["passed", "FAILED", "skipped"]
    found: str = ""
    remedy: str = ""
    cause: BaseException | None = None


class CheckRun(Generic[T]):
    """The checks of one plugin or component: each runs once, after those that it builds on."""

    def __init__(self, under_test: T, checks: Iterable[Check]) -> None:
        self.under_test = under_test
        self.checks = {check.name: check for check in checks}
        self._verdicts: dict[str, Verdict] = {}

    def verdict(self, check: Check, limit_s: float | None) -> Verdict:
        """Return the verdict of a check; each check that it builds on may take `limit_s` as well."""
        if check.name not in self._verdicts:
            if failed := self._failed_before(check, limit_s):
                verdict = Verdict(status="skipped", found=f"fix {failed} first")
            else:
                verdict = run_check(check, self.under_test, limit_s)
            self._verdicts[check.name] = verdict
        return self._verdicts[check.name]

    def _failed_before(self, check: Check, limit_s: float | None) -> str:
        for name in check.after:
            earlier = self.checks[name]
            if failed := self._failed_before(earlier, limit_s):
                return failed
            if self.verdict(earlier, limit_s).status == "FAILED":
                return name
        return ""


def run_check(check: Check, under_test: object, limit_s: float | None) -> Verdict:
    """Run one check. It fails if it takes more than `limit_s` seconds; None sets no limit.

    A check that is too slow is left running in its daemon thread, since Python cannot stop it. Without
    a limit the check runs in the caller's thread, where a debugger can stop.
    """
    if limit_s is None:
        return _run(check, under_test)
    verdicts: list[Verdict] = []
    thread = threading.Thread(
        target=lambda: verdicts.append(_run(check, under_test)), name=check.name, daemon=True
    )
    thread.start()
    thread.join(limit_s)
    # The list is empty if the thread still runs, or if the plugin ended it with a KeyboardInterrupt.
    return verdicts[0] if verdicts else _failed(check, f"no answer within {limit_s:g} s")


def _run(check: Check, under_test: object) -> Verdict:
    try:
        # The filters belong to all threads, which is safe here because checks run one at a time.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the plugin's warnings are not the kit's
            check.function(under_test)
    except CheckSkippedError as reason:
        return Verdict(status="skipped", found=str(reason))
    except CheckFailedError as error:
        return _failed(check, str(error), error, error.remedy)
    except StackkitError as error:  # from the host's own checks, and clear by itself
        return _failed(check, str(error), error)
    except (Exception, SystemExit) as error:
        return _failed(check, f"it raised {one_line(error)}", error)
    return Verdict(status="passed")


def _failed(check: Check, found: str, cause: BaseException | None = None, remedy: str = "") -> Verdict:
    return Verdict(status="FAILED", found=found, cause=cause, remedy=remedy or check.remedy)


def require(condition: object, found: str, remedy: str = "") -> None:
    """Raise CheckFailedError with what was found unless the condition is true."""
    if not condition:
        raise CheckFailedError(found, remedy)


def attempt(what: str, call: Callable[[], T]) -> T:
    """Return what the plugin's method `what` returns; if it raises, fail with that error alone."""
    try:
        return call()
    except (CheckFailedError, CheckSkippedError):
        raise
    except Exception as error:
        raise CheckFailedError(f"{what} raised {one_line(error)}", f"fix {what}; {TRACEBACK}") from error


def skip(reason: str) -> NoReturn:
    """Raise CheckSkippedError."""
    raise CheckSkippedError(reason)
