"""What any component promises before it works: how it is described, and that it can be made."""

from __future__ import annotations

from stackkit.api.errors import StackkitError, UsageError, one_line
from stackkit.api.specs import ComponentSpec, DatasetSpec, Option, load_text
from stackkit.host.option_syntax import parse, unparse
from stackkit.host.requirements import missing_requirements
from stackkit.testing.check import Check, CheckFailedError, require, skip
from stackkit.testing.subject import Subject, is_crash

_ADVICE = " (other options: --component NAME:key=value, or options= of conformance)"

LINE = 100
"""Characters of a summary that a listing can show."""


def summary_line(subject: Subject) -> None:
    """Measure the summary."""
    summary = subject.component.spec.summary
    require(summary.strip(), "its summary is empty")
    require(summary.isprintable(), f"its summary is more than one line: {summary!r}")
    require(len(summary) <= LINE, f"its summary has {len(summary)} characters: {summary!r}")


def option_help(subject: Subject) -> None:
    """Look for options without help."""
    silent = [option.name for option in subject.component.spec.options if not option.help.strip()]
    require(not silent, f"no help is given for {', '.join(silent)}")


def option_defaults(subject: Subject) -> None:
    """Write every default as users would, and read it again."""
    for option in subject.component.spec.options:
        text = unparse("x", {option.name: option.default})
        try:
            ((_, texts),) = parse(text)
            value = option.parse(texts[option.name])
        except (UsageError, ValueError, KeyError) as error:
            raise CheckFailedError(
                f"the default {option.name}={option.default!r} is refused: {error}"
            ) from None
        came_back = type(value) is type(option.default) and value == option.default
        require(came_back, _changed(option, value))


def _changed(option: Option, value: object) -> str:
    return f"the default {option.name}={option.default!r} comes back from its text as {value!r}"


def factory_text(subject: Subject) -> None:
    """Follow factory=, unavailable_reason= and fetch= to something that can be called."""
    if missing := missing_requirements(subject.component.spec):
        skip(f"it {missing}")
    for field, text in _texts(subject.component.spec).items():
        try:
            target = load_text(text)
        except Exception as error:
            raise CheckFailedError(f"{field}={text!r} leads nowhere: {one_line(error)}") from error
        require(callable(target), f"{field}={text!r} is {type(target).__name__}, which cannot be called")


def _texts(spec: ComponentSpec) -> dict[str, str]:
    texts = {"factory": spec.factory, "unavailable_reason": spec.unavailable_reason}
    if isinstance(spec, DatasetSpec):
        texts["fetch"] = spec.fetch
    return {field: text for field, text in texts.items() if text}


def creation(subject: Subject) -> None:
    """Make it as the host does, with every option as a keyword."""
    if unavailable_reason := subject.choice().unavailable_reason():
        skip(f"it cannot be used here: {unavailable_reason}{_ADVICE}")
    outcome = subject.outcome
    if isinstance(outcome, StackkitError):
        require(not is_crash(outcome), str(outcome))
        skip(f"it cannot be made with these options: {outcome}{_ADVICE}")


CREATION = Check(
    name="creation",
    sentence="The factory takes every option as a keyword and returns, or raises one of stackkit's "
    "errors.",
    remedy="let the factory's keywords be the declared options, and raise UsageError, DatasetError "
    "or WeightsError for what users can mend",
    check=creation,
    after=("factory-text",),
)
"""Where this one is skipped there is no object, and nothing else can be tried."""

PROMISES = (
    Check(
        name="summary-line",
        sentence=f"The summary is one line of at most {LINE} characters.",
        remedy="say what it is and nothing else; the rest belongs into your README",
        check=summary_line,
    ),
    Check(
        name="option-help",
        sentence="Every option has a help text.",
        remedy="give each Option help=, with the range of values that make sense",
        check=option_help,
    ),
    Check(
        name="option-defaults",
        sentence="Every option's default survives being written on a command line and read again.",
        remedy="give a default of the option's own type, inside its choices and bounds",
        check=option_defaults,
    ),
    Check(
        name="factory-text",
        sentence="`factory`, `unavailable_reason` and `fetch` name callables that can be imported.",
        remedy="correct the text, or install what its module imports and name it in requires=",
        check=factory_text,
    ),
    CREATION,
)
