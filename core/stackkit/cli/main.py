"""Assemble the commands; turn every failure into one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from stackkit import __version__
from stackkit.api.errors import StackkitError, UsageError
from stackkit.cli import values
from stackkit.cli.click_commands import Command, Group
from stackkit.cli.commands import AFTER_CTRL_C, COMMANDS, GROUPS
from stackkit.cli.shutdown import end_process, report_crashes
from stackkit.host.discovery import DISABLED, check_disabled
from stackkit.utils.console import say
from stackkit.utils.interrupts import Interrupted
from stackkit.utils.streams import protect_standard_streams

P = ParamSpec("P")

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the convention of shells: 128 + SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after `stackkit`. By default those of this process, which then ends with the
        command: crashes are reported, and threads that never end do not keep it alive.

    Returns
    -------
    int
        The exit code.

    """
    if arguments is not None:
        return _run(arguments)
    protect_standard_streams()
    report_crashes()
    code = _run(sys.argv[1:])
    end_process(code)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        _app().main(args=list(arguments), prog_name="stackkit")
    except StackkitError as error:  # of the command line itself: no command has begun
        _explain_error(error)
        return error.exit_code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except (OSError, RuntimeError) as error:
        if "--install-completion" not in arguments:
            raise
        # Typer writes into the home directory, which may not exist or not be writable.
        say(
            f"error: {str(error).rstrip('.')}; --show-completion prints what to install yourself",
            err=True,
        )
        return 1
    return 0


@cache
def _app() -> typer.main.click.Command:  # type: ignore[name-defined]
    app = typer.Typer(
        cls=Group,
        help="Stacked classifiers on frozen, pretrained vision networks.",
        epilog="Start with: stackkit run --dataset mnist --backbones 'efficientnet-lite*'",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, (command, cls) in COMMANDS.items():
        app.command(name, cls=cls)(_reporting_errors(command))
    for name, (summary, commands) in GROUPS.items():
        app.add_typer(_group(summary, commands), name=name)
    return typer.main.get_command(app)


def _group(summary: str, commands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    group = typer.Typer(cls=Group, help=summary, no_args_is_help=True, rich_markup_mode=None)
    for name, command in commands.items():
        group.command(name, cls=Command)(_reporting_errors(command))
    return group


def _show_version(is_given: bool) -> None:
    if is_given:
        say(f"stackkit {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    no_plugins: Annotated[
        bool,
        typer.Option("--no-plugins", help="Load only stackkit's own plugins and those of --plugin."),
    ] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="FILE",
            parser=values.existing_file,
            help="Load a plugin from one Python file; repeatable.",
        ),
    ] = None,
    plugins_dir: Annotated[
        Path | None,
        typer.Option(
            "--plugins-dir",
            metavar="DIR",
            parser=values.existing_folder,
            help="Load every single-file plugin in a folder.",
        ),
    ] = None,
    disable_plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--disable-plugin",
            metavar="NAME",
            help="Do not load this third-party plugin; repeatable.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    given = {"STACKKIT_DEBUG": "1"} if debug else {}
    given |= _plugin_variables(no_plugins, plugin or (), plugins_dir, disable_plugin or ())
    context.with_resource(_variables(given))


def _plugin_variables(
    no_plugins: bool, files: Sequence[Path], folder: Path | None, disabled: Sequence[str]
) -> dict[str, str]:
    """Return the choice of plugins as environment variables: processes of a run load plugins, too."""
    given = dict[str, str]()
    if no_plugins:
        given |= {"STACKKIT_PLUGINS": "", "STACKKIT_PLUGIN_FILES": ""}
    for path in files:
        if os.pathsep in str(path):
            raise UsageError(
                f"--plugin {path} contains {os.pathsep!r}, the path separator; use --plugins-dir"
            )
    if files:
        given["STACKKIT_PLUGIN_FILES"] = os.pathsep.join(map(str, files))
    if folder:
        given["STACKKIT_PLUGINS_DIR"] = str(folder)
    if disabled:
        given[DISABLED] = ",".join(filter(None, [os.environ.get(DISABLED), *disabled]))
        try:
            check_disabled(disabled, {**os.environ, **given})
        except StackkitError as error:
            raise typer.BadParameter(str(error), param_hint="--disable-plugin") from None
    return given


@contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for one command, including threads and processes that it starts."""
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
        except KeyboardInterrupt as stop:
            # Work in progress has been written by now: the first Ctrl-C waits for it.
            known = str(stop) if isinstance(stop, Interrupted) else AFTER_CTRL_C.get(command, "")
            _explain(f"interrupted{known}")
            raise typer.Exit(INTERRUPTED) from None
        except StackkitError as error:
            _explain_error(error)
            raise typer.Exit(error.exit_code) from None
        except BaseException as error:  # extensions that panic raise no Exception
            if isinstance(error, typer.Exit | typer.Abort):
                raise
            _explain(
                f"error: {type(error).__name__}: {' '.join(str(error).split())} "
                "(unexpected; `stackkit --debug ...` shows the traceback)"
            )
            raise typer.Exit(1) from None

    return guarded


def _explain_error(error: StackkitError) -> None:
    _explain(f"error: {' '.join(str(error).split())}")


def _explain(line: str) -> None:
    if os.environ.get("STACKKIT_DEBUG") == "1":
        traceback.print_exc()
    say(line, err=True)
