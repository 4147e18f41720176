"""`stackkit export`: write a model in a form that other software runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stackkit.cli import options, values
from stackkit.cli import predict_options as own
from stackkit.cli.host import the_host
from stackkit.cli.output import stdout_set_aside
from stackkit.utils.console import say

Out = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", parser=values.path, help="The file, such as birds.onnx."),
]
Format = Annotated[Literal["onnx"], typer.Option("--format", help="The form.")]
Check = Annotated[
    list[str] | None,
    typer.Option(
        "--check",
        metavar="PATH",
        help="Images on which the file must answer as the model does; repeatable.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an existing FILE.", rich_help_panel=options.OUTPUT),
]


def export(
    model: own.Model,
    out: Out,
    format: Format = "onnx",  # noqa: A002  the name of the option
    check: Check = None,
    trust: own.Trust = None,
    overwrite: Overwrite = False,
    progress: options.Progress = "auto",
) -> None:
    """Write a trained model as one ONNX graph.

    The graph takes the pixels of an image and gives calibrated probabilities. It is
    written only if it answers as the model does. Needs the extra onnx.

    Try: stackkit export birds.stackkit --out birds.onnx --check photos/
    """
    from stackkit.cli.progress import progress as shown
    from stackkit.onnx_export.export import export_onnx, require_packages

    require_packages()
    from stackkit.host.registry import Registry

    with stdout_set_aside(), shown(progress) as reporter:
        done = export_onnx(
            model,
            out,
            Registry(host=the_host()),
            images=check or (),
            trust=tuple(trust or ()),
            overwrite=overwrite,
            reporter=reporter,
        )
    networks = "1 network" if done.networks == 1 else f"{done.networks} networks"
    what = "made-up images; pass --check PATH for real ones" if done.made_up else "images"
    say(f"{done.path}: {done.size / 1e6:,.1f} MB, {networks}")
    say(
        f"same labels as the model, probabilities within {done.agreement.difference:.0e}, on "
        f"{done.agreement.images} {what}"
    )
