"""`stackkit new-plugin`: a distribution that works, for an author to change."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from stackkit.cli.hosting import the_host
from stackkit.specs import Kind


def new_plugin(
    name: Annotated[
        str, typer.Argument(help="Its name, such as leaf-shapes; pip then says stackkit-leaf-shapes.")
    ],
    kind: Annotated[Kind, typer.Option("--kind", help="What it offers.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Make its folder in there instead of here.")
    ] = Path(),
) -> None:
    """Write a plugin of your own that works: spec, component, test, README, licence and CI.

    Nothing is overwritten. Put your idea in place of the example, and run the test.

    Try: stackkit new-plugin leaf-shapes --kind backbone
    """
    from stackkit import scaffold

    names = scaffold.names(name)
    scaffold.check_free(names, kind, the_host())
    folder, files = scaffold.write(names, kind, out)
    typer.echo(f"{folder}: the {kind} {names.name}")
    for file in files:
        typer.echo(f"  {file}")
    typer.echo("Type next:")
    for command in (f"cd {shlex.quote(str(folder))}", "pip install -e '.[test]'", "python -m pytest"):
        typer.echo(f"  {command}")
