"""What a worker does: run one fit under the conditions that fits have everywhere, and answer."""

from __future__ import annotations

import os
import threading
import traceback
import warnings
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from stackkit.api import errors
from stackkit.api.errors import PluginError, StackkitError, one_line
from stackkit.evaluation.conditions import one_blas_thread
from stackkit.evaluation.convergence import convergence_warnings_captured
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.on_workers.parcel import unpacked
from stackkit.evaluation.on_workers.stored_features import UnreadableError
from stackkit.evaluation.pool import fitted

_one_fit = threading.Lock()
"""Held while a fit runs: limits of BLAS and filters of warnings belong to the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning of a fit; `category` is "module:class"."""

    text: str
    category: str
    filename: str
    lineno: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The result of a fit, and the warnings that it gave."""

    result: FitResult
    warned: tuple[Warned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """What a fit raised, as one of stackkit's own errors, and where."""

    error: StackkitError
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """The worker does not see the files of the features with this digest."""

    digest: str


Answer: TypeAlias = Fitted | Raised | Unreadable


def fit_on_worker(content: bytes, *shared: Any) -> Answer:
    """Run the fit of a parcel; what it raises is returned, since not every exception can be pickled."""
    with _one_fit:
        try:
            return _fitted(content, *shared)
        except UnreadableError as error:
            return Unreadable(digest=str(error))
        except StackkitError as error:
            return Raised(error=_public(error), where=_where(error))
        except (KeyboardInterrupt, SystemExit) as error:
            # Ctrl-C reaches no worker, so this is code of a plugin; it must not end the worker.
            found = PluginError(f"a fit on a worker raised {one_line(error)}")
            return Raised(error=found, where=_where(error))


def _fitted(content: bytes, *shared: Any) -> Fitted:
    fit = unpacked(content, shared)
    with (
        warnings.catch_warnings(record=True) as noted,
        convergence_warnings_captured(),
        one_blas_thread(),
    ):
        result = fitted(fit)
    if result.state is not None:
        result = replace(result, fitted=None)  # the state gives an equal one
    return Fitted(result=result, warned=tuple(dict.fromkeys(map(_warned, noted or ()))))


def _warned(noted: warnings.WarningMessage) -> Warned:
    return Warned(
        text=str(noted.message),
        category=f"{noted.category.__module__}:{noted.category.__qualname__}",
        filename=noted.filename,
        lineno=noted.lineno,
    )


def _public(error: StackkitError) -> StackkitError:
    """Return the error as one of stackkit's own classes: a plugin's own may take other arguments."""
    kinds = (kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    kind: type[StackkitError] = next(kinds)
    return kind(str(error))


def _where(error: BaseException) -> str:
    return f"on the worker with process {os.getpid()}:\n" + "".join(traceback.format_exception(error))
