"""A promise that a plugin makes, and what became of it when it was put to the test."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeVar

from stackkit.api.errors import one_line

T = TypeVar("T")

Word = Literal["kept", "BROKEN", "skipped"]


class CheckFailedError(AssertionError):
    """What was found where a promise is not kept, in one line.

    `remedy` is what to do about just this; "" leaves it to the promise.
    """

    def __init__(self, found: str, remedy: str = "") -> None:
        super().__init__(found)
        self.remedy = remedy


class CheckSkippedError(Exception):
    """Why a promise cannot be checked here, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Something that stackkit relies on.

    `check` is given a subject and returns, or raises CheckFailedError or CheckSkippedError. Whatever
    else it raises comes from the plugin's code, and breaks the promise too.

    `after` names promises of the same subject on which this one builds: one fault would break both,
    so that this one is skipped where one of those is broken.
    """

    name: str
    sentence: str
    remedy: str
    check: Callable[[Any], None]
    after: tuple[str, ...] = ()


def promise(
    name: str, check: Callable[[Any], None], sentence: str, remedy: str, after: tuple[str, ...] = ()
) -> Check:
    """The same by position, for the tables of each kind."""
    return Check(name=name, check=check, sentence=sentence, remedy=remedy, after=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a promise is kept; `found` says what is wrong or why it was skipped."""

    word: Word
    found: str = ""
    remedy: str = ""
    cause: BaseException | None = None


def judge(promise: Check, subject: object) -> Verdict:
    """Put one promise to the test; what the plugin raises or warns of is no longer anybody's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            promise.check(subject)
    except CheckSkippedError as reason:
        return Verdict(word="skipped", found=str(reason))
    except CheckFailedError as broken:
        return _broken(promise, str(broken), broken, broken.remedy)
    except (Exception, SystemExit) as error:
        return _broken(promise, f"it raised {one_line(error)}", error)
    return Verdict(word="kept")


def _broken(promise: Check, found: str, cause: BaseException | None = None, remedy: str = "") -> Verdict:
    return Verdict(word="BROKEN", found=found, cause=cause, remedy=remedy or promise.remedy)


def judge_within(limit_s: float | None, promise: Check, subject: object) -> Verdict:
    """The same, but a promise is broken if its check takes longer than `limit_s`, and left behind.

    Without a limit the check runs in the caller's own thread, where a debugger can stop it.
    """
    if limit_s is None:
        return judge(promise, subject)
    verdicts: list[Verdict] = []
    thread = threading.Thread(
        target=lambda: verdicts.append(judge(promise, subject)), name=promise.name, daemon=True
    )
    thread.start()
    thread.join(limit_s)
    if verdicts:
        return verdicts[0]
    return _broken(promise, f"no answer within {limit_s:g} s")


def require(kept: object, found: str, remedy: str = "") -> None:
    """Raise CheckFailedError with what was found unless a promise is kept."""
    if not kept:
        raise CheckFailedError(found, remedy)


def worked(what: str, work: Callable[[], T]) -> T:
    """What the plugin's code answers; where it raises, nothing but that is to be mended."""
    try:
        return work()
    except (CheckFailedError, CheckSkippedError):
        raise
    except Exception as error:
        remedy = f"mend {what}; the test of `conformance` shows the traceback"
        raise CheckFailedError(f"{what} raised {one_line(error)}", remedy) from error


def skip(reason: str) -> NoReturn:
    """Say why a promise cannot be checked."""
    raise CheckSkippedError(reason)
