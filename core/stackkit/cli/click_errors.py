"""Say where an option belongs that stands in the wrong place: `--plugin` goes before the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from typer import Context
from typer.core import TyperCommand, TyperGroup


class _QuickDefaults:
    """Skip Typer's conversion of options that are not given: it imports Pydantic, about 60 ms."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with the conversion replaced."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            parameter.process_value = partial(_process_value, parameter)
        return parameters


def _process_value(parameter: Any, context: Any, value: Any) -> Any:
    if value is not None or parameter.required:
        return type(parameter).process_value(parameter, context, value)
    empty = () if parameter.multiple or parameter.nargs == -1 else None
    return parameter.callback(context, parameter, empty) if parameter.callback else empty


class Command(_QuickDefaults, TyperCommand):
    """A command that knows stackkit's own options from unknown ones."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, or raise the usage error of a mistyped option."""
        with _placing(ctx):
            return super().parse_args(ctx, args)


class Group(_QuickDefaults, TyperGroup):
    """A group of commands that does so too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, or raise the usage error of a mistyped option."""
        with _placing(ctx):
            return super().parse_args(ctx, args)


@contextmanager
def _placing(context: Context) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Typer brings its own copy of Click, or not, so that the class of this error has no one name.
        if placed := _placed(context, getattr(error, "option_name", "")):
            error.message = placed  # type: ignore[attr-defined]
            error.possibilities = []  # type: ignore[attr-defined]
        raise


def _placed(context: Context, option: str) -> str:
    """How an option of stackkit itself is written before the command, or ""."""
    root = context.find_root()
    for each in root.command.params if context is not root else []:
        if option in each.opts:
            value = "" if getattr(each, "is_flag", False) else f" {each.metavar}"
            below = context.command_path.removeprefix(root.command_path).strip()
            whole = f"{root.command_path} {option}{value} {below} ..."
            return f"{option} stands before the command: {whole}"
    return ""
