"""`stackkit explain`: show why a model gives an answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackkit.api.errors import ImageError, StackkitError, UsageError
from stackkit.cli import options, values
from stackkit.cli import predict_options as own
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.explanation.explain import Explanation

FORMATS = (".html", ".png")


Image = Annotated[Path, typer.Argument(metavar="IMAGE", parser=values.path, help="An image file.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        parser=values.path,
        help="FILE.html or FILE.png; IMAGE-explained.html in this folder by default.",
        rich_help_panel=options.OUTPUT,
    ),
]
Grid = Annotated[
    int,
    typer.Option(
        "--grid",
        metavar="N",
        parser=values.whole_number,
        help="Cells per side of the map; it labels (N-1)*(N-1) covered copies.",
    ),
]
Regions = Annotated[
    bool,
    typer.Option("--regions/--no-regions", help="Show the regions that the answer depends on."),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an existing file.", rich_help_panel=options.OUTPUT),
]


def explain(
    model: own.Model,
    image: Image,
    out: Out = None,
    grid: Grid = 8,
    regions: Regions = True,
    trust: own.Trust = None,
    device: options.Device = None,
    threads: options.Threads = None,
    overwrite: Overwrite = False,
    as_json: options.Json = False,
    progress: options.Progress = "auto",
) -> None:
    """Show why a model gives an answer, on one page.

    The page has the votes of each network, the most similar training images if the model was made with
    --with-examples, and the regions that the answer depends on. It needs no other file.

    Try: stackkit explain birds.stackkit photo.jpg --out why.html
    """
    options.check_count("--threads", threads)
    target = out or Path(f"{image.stem}-explained.html")
    check_file(target, overwrite=overwrite)
    # Heavy libraries are loaded only here, so that --help stays quick.
    from stackkit.cli.labelling import predictor_of
    from stackkit.cli.progress import progress as bars
    from stackkit.explanation.explain import explain as explained
    from stackkit.explanation.occlusion import GRIDS
    from stackkit.extraction.decoding import reason
    from stackkit.prediction.image_sources import shown

    if not GRIDS[0] <= grid <= GRIDS[1]:
        raise UsageError(f"--grid must be from {GRIDS[0]} to {GRIDS[1]}, got {grid}")
    with stdout_set_aside(), bars(progress) as reporter:
        predictor = predictor_of(model, trust or (), reporter, device=device, threads=threads)
        try:
            opened = predictor.read(image)
        except (OSError, ImageError) as error:
            raise ImageError(f"{shown(str(image))}: {reason(error)}") from error
        found = explained(
            predictor, opened, shown(image.name), grid=grid, regions=regions, reporter=reporter
        )
        _write(target, _content(target, found, model.name))
    if as_json:
        print_json({"file": str(target), **found.document()})
    else:
        say(f"{found.prediction.label}  {found.prediction.probability:.1%}")
        say(f"written to {target}")


def check_file(target: Path, *, overwrite: bool) -> None:
    """Raise an error if an explanation cannot be written, before a network is opened."""
    if target.suffix.lower() not in FORMATS:
        raise UsageError(f"--out must end in {' or '.join(FORMATS)}, got {target.name}")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists; choose another --out, or pass --overwrite")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target.parent} is no folder; create it first")


def _content(target: Path, found: Explanation, model: str) -> bytes:
    if target.suffix.lower() == ".png":
        from stackkit.explanation.picture import png

        return png(found)
    from stackkit.explanation.page import html

    return html(found, model).encode("utf-8", errors="replace")


def _write(target: Path, content: bytes) -> None:
    from stackkit.utils.files import atomic_write

    try:
        with atomic_write(target) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise StackkitError(f"{target} cannot be written: {error.strerror or error}") from error
