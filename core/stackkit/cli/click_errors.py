"""Say where an option belongs that stands in the wrong place: `--plugin` goes before the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer import Context
from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command that knows stackkit's own options from unknown ones."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, or raise the usage error of a mistyped option."""
        with _placing(ctx):
            return super().parse_args(ctx, args)


class Group(TyperGroup):
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
