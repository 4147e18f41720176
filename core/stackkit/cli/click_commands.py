"""Commands with grouped help, helpful errors for misplaced options, and fast parsing."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup

from stackkit.api.errors import UsageError
from stackkit.cli.usage_errors import in_our_words, name_of, not_one_of, refuse_repeated

OTHER = "Other"
"""Section of options without a panel, such as --help."""

OPTION_COLUMN = 26
"""Widest option that has its help on the same line; a longer one has it on the next."""


class _Parsing:
    """Parse a command line: helpful usage errors, no option twice, and no slow defaults."""

    def make_parser(self, ctx: Any) -> Any:
        """Return Click's parser, which then refuses options that are given twice."""
        parser: Any = super().make_parser(ctx)  # type: ignore[misc]
        parser.parse_args = partial(_parse_once, parser.parse_args)
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the command; raises UsageError."""
        with in_our_words(ctx):
            rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
            return rest

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, --help included, with the conversion replaced."""
        # Typer's own conversion of options that are absent imports Pydantic, which takes 50 ms.
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            parameter.process_value = partial(_process_value, parameter)
        return parameters


def _parse_once(parse: Callable[..., tuple[Any, Any, list[Any]]], args: list[str]) -> Any:
    values, rest, order = parse(args=args)
    refuse_repeated(order)
    return values, rest, order


def _process_value(parameter: Any, context: Any, value: Any) -> Any:
    if value is not None or parameter.required:
        try:
            return type(parameter).process_value(parameter, context, value)
        except UsageError as error:  # of a parser in `values`, which does not know the option's name
            raise UsageError(f"{name_of(parameter)} {error}") from None
        except Exception as error:
            if refusal := not_one_of(error, value):
                raise UsageError(f"{name_of(parameter)} {refusal}") from None
            raise
    empty = () if parameter.multiple or parameter.nargs == -1 else None
    return parameter.callback(context, parameter, empty) if parameter.callback else empty


class Command(_Parsing, TyperCommand):
    """A command with stackkit's usage errors."""


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


class Group(_Parsing, TyperGroup):
    """A group of commands with stackkit's usage errors."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first word names; raises UsageError."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
            raise UsageError(f"unknown command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises UsageError if none is named."""
        with in_our_words(ctx):
            return super().invoke(ctx)
