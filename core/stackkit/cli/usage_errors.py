"""Say in stackkit's words, as its own UsageError, what Typer refuses about a command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typer import Context

from stackkit.api.errors import UsageError

_EXTRA = re.compile(r"extra arguments?(?:\(s\))? \((.*)\)")
_CHOICES = re.compile(r"is not (?:one of )?('.*)\.")


@contextmanager
def in_our_words(context: Context) -> Iterator[None]:
    """Turn Typer's usage errors in the block into UsageError, with the command whose help to read."""
    try:
        yield
    except Exception as error:
        # Depending on its version, Typer uses Click or a copy of its own. The classes of these errors
        # therefore exist twice, and their names are the only thing to recognise them by.
        names = {each.__name__ for each in type(error).__mro__}
        if isinstance(error, UsageError) or "UsageError" not in names or "NoArgsIsHelpError" in names:
            raise
        text = _misplaced(context, error) or _text(error, names)
        hint = "" if text.endswith(("?", "...")) else f"; see `{context.command_path} --help`"
        raise UsageError(f"{text}{hint}") from error


def name_of(parameter: Any) -> str:
    """Return what users type for an option, or what the help calls an argument."""
    if parameter.param_type_name == "option":
        return str(parameter.opts[0])
    return str(parameter.metavar or parameter.name.upper())


def _text(error: Any, names: set[str]) -> str:
    parameter = getattr(error, "param", None)
    if "NoSuchOption" in names:
        close = " or ".join(sorted(error.possibilities or ()))
        return f"unknown option {error.option_name}" + (f"; did you mean {close}?" if close else "")
    if "MissingParameter" in names and parameter is not None:
        return f"{name_of(parameter)} is required"
    if "BadOptionUsage" in names:
        return f"{error.option_name} {'needs a' if 'requires' in error.message else 'takes no'} value"
    message = str(error.message).removeprefix("Value error, ").removesuffix(".")
    if extra := _EXTRA.search(message):
        return f"unexpected argument {extra[1]}"
    if "BadParameter" in names and parameter is not None:
        return f"{name_of(parameter)}: {message}"
    return message[:1].lower() + message[1:]


def not_one_of(error: Exception, value: Any) -> str:
    """Return "must be one of a, b, got 'c'" if the error says that `value` is none of the choices."""
    if not (found := _CHOICES.search(str(getattr(error, "message", "")))):
        return ""
    choices = found[1].replace("'", "")
    return f"must be {'one of ' if ',' in choices else ''}{choices}, got {value!r}"


def _misplaced(context: Context, error: Any) -> str:
    """Return where to write an option of stackkit itself, or "" for any other option."""
    root, option = context.find_root(), getattr(error, "option_name", "")
    for each in root.command.params if context is not root else []:
        if option in each.opts:
            value = "" if getattr(each, "is_flag", False) else f" {each.metavar}"
            below = context.command_path.removeprefix(root.command_path).strip()
            whole = f"{root.command_path} {option}{value} {below} ..."
            return f"{option} must be written before the command: {whole}"
    return ""


def refuse_repeated(order: Sequence[Any]) -> None:
    """Raise UsageError if an option that takes one value is given twice.

    Parameters
    ----------
    order : sequence of Typer parameters
        As they stand on the command line. Click would silently take the last one.

    """
    for parameter in dict.fromkeys(order):
        # A repeated flag says the same again, except one that can also be switched off.
        is_plain_flag = getattr(parameter, "is_flag", False) and not parameter.secondary_opts
        if parameter.param_type_name != "option" or parameter.multiple or is_plain_flag:
            continue
        if (count := list(order).count(parameter)) > 1:
            name = "/".join([*parameter.opts, *parameter.secondary_opts])
            raise UsageError(f"{name} is given {count} times, but takes one value; keep one")
