"""Commands with grouped help, helpful errors for misplaced options, and fast parsing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from typer import Context
from typer.core import TyperCommand, TyperGroup

OTHER = "Other"
"""Section of options without a panel, such as --help."""

OPTION_COLUMN = 26
"""Widest option that has its help on the same line; a longer one has it on the next."""


class _QuickDefaults:
    """Skip Typer's conversion of options that are absent: it imports Pydantic, which takes 50 ms."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, --help included, with the conversion replaced."""
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
    """A command whose usage errors recognise stackkit's own options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, or raise the usage error of a mistyped or misplaced option."""
        with _placing(ctx):
            return super().parse_args(ctx, args)


class SectionedCommand(Command):
    """A command whose help groups options by their `rich_help_panel`.

    Typer does so through Rich only, and importing Rich would double the time that --help takes.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section per panel, all with the same column width."""
        sections = self.sections(ctx)
        usages = [usage for records in sections.values() for usage, _ in records]
        width = max(len(usage) for usage in usages if len(usage) <= OPTION_COLUMN)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl([(usage.ljust(width), text) for usage, text in records])

    def sections(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Return (option, help) pairs by the title of their section, in declared order."""
        found: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                title = getattr(parameter, "rich_help_panel", None) or OTHER
                found.setdefault(title, []).append(record)
        return found


class Group(_QuickDefaults, TyperGroup):
    """A group of commands whose usage errors recognise stackkit's own options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, or raise the usage error of a mistyped or misplaced option."""
        with _placing(ctx):
            return super().parse_args(ctx, args)


@contextmanager
def _placing(context: Context) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Depending on its version, Typer uses Click or a copy of its own. The class of this error
        # therefore has two names, and its attribute is the only thing to recognise it by.
        if placed := _placed(context, getattr(error, "option_name", "")):
            error.message = placed  # type: ignore[attr-defined]
            error.possibilities = []  # type: ignore[attr-defined]
        raise


def _placed(context: Context, option: str) -> str:
    """Return where to write an option of stackkit itself, or "" for any other option."""
    root = context.find_root()
    for each in root.command.params if context is not root else []:
        if option in each.opts:
            value = "" if getattr(each, "is_flag", False) else f" {each.metavar}"
            below = context.command_path.removeprefix(root.command_path).strip()
            whole = f"{root.command_path} {option}{value} {below} ..."
            return f"{option} must be written before the command: {whole}"
    return ""
