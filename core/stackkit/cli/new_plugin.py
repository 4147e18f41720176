"""`stackkit new-plugin`: a distribution that works, for an author to change."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from stackkit.api.specs import SPEC_TYPES
from stackkit.cli import options
from stackkit.cli.host import the_host


def new_plugin(
    name: Annotated[
        str, typer.Argument(help="Its name, such as leaf-shapes; pip then says stackkit-leaf-shapes.")
    ],
    kind: Annotated[
        list[str],
        typer.Option(
            "--kind", metavar="KIND", help=f"What it offers: {', '.join(SPEC_TYPES)}; repeatable."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Make its folder in there instead of here.")
    ] = Path(),
    as_json: options.Json = False,
) -> None:
    """Write a plugin of your own that works: spec, component, test, README, licence and CI.

    Nothing is overwritten. Put your idea in place of the example, and run the test.

    Try: stackkit new-plugin leaf-shapes --kind backbone
    """
    from stackkit.scaffold import project

    names, kinds = project.names(name), project.kinds(kind)
    project.check_free(names, kinds, the_host())
    folder, files = project.write(names, kinds, out)
    components = project.components_of(names, kinds)
    commands = [f"cd {shlex.quote(str(folder))}", "pip install -e '.[test]'", "python -m pytest"]
    if as_json:
        document = {
            "name": names.name,
            "distribution": names.distribution,
            "module": names.module,
            "components": [{"kind": each, "name": called} for each, called in components.items()],
            "folder": str(folder),
            "files": [str(file) for file in files],
            "next": commands,
        }
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(f"{folder}: {', '.join(f'the {each} {called}' for each, called in components.items())}")
    for file in files:
        typer.echo(f"  {file}")
    typer.echo("Type next:")
    for command in commands:
        typer.echo(f"  {command}")
