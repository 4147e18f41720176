"""Assemble the commands and turn every failure into one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from stackkit import __version__
from stackkit.api.errors import StackkitError
from stackkit.cli import (
    check_plugin,
    doctor,
    extract,
    features,
    fetch,
    fits,
    list_plugins,
    new_plugin,
    run,
)
from stackkit.cli.click_errors import Command, Group
from stackkit.cli.shutdown import answered, crashes_named

P = ParamSpec("P")

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it (128 + SIGINT)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Without arguments the process is for this alone."""
    if arguments is not None:
        return _carry_out(arguments)
    crashes_named()
    code = _carry_out(sys.argv[1:])
    answered(code)
    return code


def _carry_out(arguments: Sequence[str]) -> int:
    try:
        _app().main(args=list(arguments), prog_name="stackkit")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _app() -> typer.main.click.Command:  # type: ignore[name-defined]
    app = typer.Typer(
        cls=Group,
        help="Stacked classifiers on frozen, pretrained vision networks.",
        epilog="Start with: stackkit run --dataset mnist --backbones 'efficientnet-lite*'",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, command in (
        ("run", run.run),
        ("extract", extract.extract),
        ("evaluate", run.evaluate),
        ("fetch", fetch.fetch),
        ("list-plugins", list_plugins.list_plugins),
        ("new-plugin", new_plugin.new_plugin),
        ("doctor", doctor.doctor),
        ("check-plugin", check_plugin.check_plugin),
    ):
        app.command(name, cls=Command)(_reporting_errors(command))
    app.add_typer(
        _group(
            "Look at, check, clear out and export stored features.",
            {
                "ls": features.ls,
                "show": features.show,
                "verify": features.verify,
                "gc": features.gc,
                "export": features.export,
            },
        ),
        name="features",
    )
    app.add_typer(
        _group("Look at and clear out finished fits that are kept.", {"ls": fits.ls, "gc": fits.gc}),
        name="fits",
    )
    return typer.main.get_command(app)


def _group(what: str, commands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    group = typer.Typer(cls=Group, help=what, no_args_is_help=True, rich_markup_mode=None)
    for name, command in commands.items():
        group.command(name, cls=Command)(_reporting_errors(command))
    return group


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stackkit {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    no_plugins: Annotated[
        bool,
        typer.Option("--no-plugins", help="Load stackkit's own plugins only, and those of --plugin."),
    ] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Load a plugin that is one Python file and not installed; repeatable.",
        ),
    ] = None,
    plugins_dir: Annotated[
        Path | None,
        typer.Option(
            "--plugins-dir",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Load every plugin of this folder that is one Python file.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    given = {"STACKKIT_DEBUG": "1"} if debug else {}
    if no_plugins:
        given |= {"STACKKIT_PLUGINS": "", "STACKKIT_PLUGIN_FILES": ""}
    for path in plugin or ():
        if os.pathsep in str(path):
            raise typer.BadParameter(
                f"{path} holds {os.pathsep!r}, which parts paths; use --plugins-dir"
            )
    if plugin:
        given["STACKKIT_PLUGIN_FILES"] = os.pathsep.join(map(str, plugin))
    if plugins_dir:
        given["STACKKIT_PLUGINS_DIR"] = str(plugins_dir)
    context.with_resource(_variables(given))


@contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for one command, which the threads and processes that it starts see."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _reporting_errors(command: Callable[P, None]) -> Callable[P, None]:
    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            _explain(
                "interrupted; everything finished so far is kept, the same command goes on from there"
            )
            raise typer.Exit(INTERRUPTED) from None
        except StackkitError as error:
            _explain(f"error: {' '.join(str(error).split())}")
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            # Whoever read our output has gone; a second failure at interpreter exit would be noise.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except BaseException as error:  # of a plugin whose component was not even asked for
            if isinstance(error, typer.Exit | typer.Abort):
                raise
            _explain(
                f"error: {type(error).__name__}: {' '.join(str(error).split())} "
                "(not foreseen; `stackkit --debug ...` shows where)"
            )
            raise typer.Exit(1) from None

    return guarded


def _explain(line: str) -> None:
    if os.environ.get("STACKKIT_DEBUG") == "1":
        traceback.print_exc()
    typer.echo(line, err=True)
