"""The host that commands work with, and what the user should know of it before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from stackkit.host.host import Host


def the_host() -> Host:
    """Every plugin that the user lets in; names that nobody has are said on stderr.

    A warning and no error, for the variable often outlives an environment, and a command that needs
    such a plugin fails by itself; STACKKIT_STRICT=1 makes it one.
    """
    from stackkit.host.host import load_host

    host = load_host()
    for note in host.notes:
        typer.echo(f"warning: {note}", err=True)
    return host
