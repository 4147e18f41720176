"""`stackkit new-plugin`: create a working plugin project for an author to change."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from stackkit.api.specs import SPEC_TYPES
from stackkit.cli import options, values
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json
from stackkit.utils.console import say


def new_plugin(
    name: Annotated[
        str, typer.Argument(help="Plugin name: leaf-shapes makes the package stackkit-leaf-shapes.")
    ],
    kind: Annotated[
        list[str],
        typer.Option("--kind", metavar="KIND", help=f"Kind: {', '.join(SPEC_TYPES)}; repeatable."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            parser=values.path,
            help="Parent folder. Default: this folder.",
            show_default=False,
        ),
    ] = Path(),
    as_json: options.Json = False,
) -> None:
    """Create a working plugin project to start from.

    It has a spec, a component, a test, a README, a licence and CI. Nothing is overwritten. Replace
    the example code with yours and run the test.

    Try: stackkit new-plugin leaf-shapes --kind backbone
    """
    from stackkit.scaffold import project

    names, kinds = project.names(name), project.kinds(kind)
    project.check_free(names, kinds, the_host())
    folder, files = project.write(names, kinds, out)
    components = project.components_of(names, kinds)
    commands = [f"cd {shlex.quote(str(folder))}", "pip install -e '.[test]'", "python -m pytest"]
    document = {
        "name": names.name,
        "distribution": names.distribution,
        "module": names.module,
        "components": [{"kind": each, "name": called} for each, called in components.items()],
        "folder": str(folder),
        "files": [str(file) for file in files],
        "next": commands,
    }
    if as_json:
        print_json(document)
    else:
        _show(document)


def _show(document: dict[str, Any]) -> None:
    made = ", ".join(f"the {each['kind']} {each['name']}" for each in document["components"])
    say(f"{document['folder']}: {made}")
    for file in document["files"]:
        say(f"  {file}")
    say("Next steps:")
    for command in document["next"]:
        say(f"  {command}")
