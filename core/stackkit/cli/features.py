"""`stackkit features`: list, show, verify, delete and export stored features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stackkit.api.errors import StoreError, UsageError
from stackkit.api.paths import user_path
from stackkit.cli import options, removal_options, values
from stackkit.cli.host import the_host
from stackkit.cli.output import print_csv, print_json, stdout_set_aside
from stackkit.cli.units import parse_age, parse_size
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.cli.progress import Style
    from stackkit.extraction.recompute import Recomputed
    from stackkit.store.catalogue import Entry, RowStates
    from stackkit.store.metadata import Contents

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Number in `features ls`, path, or start of its file or folder name.",
    ),
]
Files = Annotated[
    list[str] | None, typer.Argument(metavar="FILES", help="Numbers, paths or names. Default: all.")
]
Recompute = Annotated[
    int,
    typer.Option(
        "--recompute",
        metavar="N",
        parser=values.whole_number,
        help="Also recompute N random rows per file and compare.",
    ),
]
Engines = Annotated[
    bool, typer.Option("--engines", help="Also delete converted networks (rebuilt on demand).")
]
ShownImage = Annotated[
    str | None, typer.Option("--image", metavar="ID", help="Show what the network saw of this image.")
]
Picture = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", parser=values.path, help="PNG file to write: the image, framed."
    ),
]
OverwritePicture = Annotated[bool, typer.Option("--overwrite", help="Replace an existing FILE.")]
Format = Annotated[
    Literal["npy", "parquet", "hdf5"],
    typer.Option(
        "--format", metavar="FORMAT", help="npy (a folder of files), or parquet or hdf5 (one file)."
    ),
]
Out = Annotated[
    Path,
    typer.Option("--out", metavar="PATH", parser=values.path, help="File or folder to write."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")]


def ls(store: options.Store = None, as_json: options.Json = False, as_csv: options.Csv = False) -> None:
    """List feature files with their state, size and age.

    The last line shows the size of the converted networks (engines), which are stored next to them.

    Try: stackkit features ls
    """
    from stackkit.cli.cleanup import find_engines
    from stackkit.cli.feature_tables import document, show_engines, show_entries
    from stackkit.store.catalogue import entries

    output = options.output_format(as_json=as_json, as_csv=as_csv)
    folder = _folder(store)
    found = entries(folder)
    files = [document(entry) for entry in found]
    if output == "json":
        print_json({"store": str(folder), "files": files, "engines": find_engines()})
    elif output == "csv":
        print_csv(files)
    else:
        show_entries(folder, found)
        show_engines(find_engines())


def show(
    file: File,
    image: ShownImage = None,
    out: Picture = None,
    overwrite: OverwritePicture = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Show one feature file, or what the network saw of an image.

    Without --image: the setting, classes, missing and damaged rows, and provenance.

    Try: stackkit features show 1
    """
    from stackkit.cli.feature_tables import details, show_details
    from stackkit.cli.seen_image import show_image
    from stackkit.store.catalogue import row_states

    if out and image is None:
        raise UsageError("--out writes a picture of one image; choose it with --image ID")
    entry = _selected(_folder(store), [file])[0]
    if image is not None:
        show_image(entry.path, _contents(entry), image, out, overwrite=overwrite, as_json=as_json)
        return
    found = details(entry, row_states(_contents(entry)))
    if as_json:
        print_json(found)
    else:
        show_details(found)


def verify(
    files: Files = None,
    recompute: Recompute = 0,
    seed: options.Seed = None,
    store: options.Store = None,
    progress: options.Progress = "auto",
    as_json: options.Json = False,
) -> None:
    """Verify checksums of feature files, and recompute rows.

    It is an error if a row is damaged, or differs from what its network computes now.

    Try: stackkit features verify --recompute 20
    """
    from stackkit.cli.feature_tables import failure, show_verdicts, verdict

    seed = seed or 0
    options.check_seed(seed)
    options.check_count("--recompute", recompute, least=0)
    chosen = _selected(_folder(store), files)
    states = _row_states(chosen, progress)
    rows = {
        entry.path: _recompute(entry, recompute, seed, progress)
        for entry in chosen
        if recompute and entry.contents and entry.stored
    }
    verdicts = [verdict(entry, states.get(entry.path), rows.get(entry.path, [])) for entry in chosen]
    if as_json:
        print_json({"files": verdicts})
    else:
        show_verdicts(verdicts)
    # Last, so that the verdict of every file is printed although one of them is an error.
    if problem := failure(verdicts):
        raise StoreError(problem)


def gc(
    older_than: removal_options.OlderThan = None,
    keep_size: removal_options.KeepSize = None,
    engines: Engines = False,
    dry_run: removal_options.DryRemoval = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Delete unused features, damaged files and leftovers.

    Leftovers are temporary files of killed processes. A file that another process has open is never
    deleted.

    Try: stackkit features gc --older-than 30d --dry-run
    """
    from stackkit.cli.cleanup import clean, show_cleaned

    if older_than is None and keep_size is None and not engines:
        raise UsageError("choose what to delete: --older-than 30d, --keep-size 10GB or --engines")
    cleaned = clean(
        _folder(store),
        older_than_s=parse_age(older_than),
        keep_bytes=parse_size(keep_size),
        engines=engines,
        dry_run=dry_run,
    )
    if as_json:
        print_json(cleaned)
    else:
        show_cleaned(cleaned)


def export(
    file: File,
    out: Out,
    kind: Format = "npy",
    overwrite: Overwrite = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Export features with sample ids, labels and splits.

    Class names are written too; rows that are missing or damaged are left out.

    Try: stackkit features export 1 --format parquet --out birds.parquet
    """
    from stackkit.store.export import export as write

    entry = _selected(_folder(store), [file])[0]
    rows = write(entry.path, _contents(entry), kind, out, overwrite=overwrite)
    if as_json:
        print_json({"out": str(out), "format": kind, "rows": rows, "images": entry.images})
    else:
        say(f"{out}: {rows:,} of {entry.images:,} images")


def _folder(store: Path | None) -> Path:
    from stackkit.api.paths import features_dir

    return store or features_dir()


def _selected(folder: Path, texts: list[str] | None) -> list[Entry]:
    """Return the file that each text names, or all; raises UsageError unless it names exactly one."""
    from stackkit.store.catalogue import entries

    found = entries(folder)
    return [_the_one(folder, found, text) for text in texts] if texts else found


def _the_one(folder: Path, found: list[Entry], text: str) -> Entry:
    if text.isdecimal() and 1 <= int(text) <= len(found):
        return found[int(text) - 1]
    matches = [entry for entry in found if entry.path.resolve() == user_path(text).resolve()]
    matches = matches or [
        entry
        for entry in found
        if entry.path.name.startswith(text) or entry.path.relative_to(folder).as_posix().startswith(text)
    ]
    if len(matches) == 1:
        return matches[0]
    what = f"matches {len(matches)} files" if matches else "matches no file"
    raise UsageError(f"{text!r} {what} in {folder}; `stackkit features ls` lists all with numbers")


def _contents(entry: Entry) -> Contents:
    if entry.contents is None:
        raise StoreError(entry.problem or f"{entry.path} cannot be read")
    return entry.contents


def _row_states(chosen: list[Entry], style: Style) -> dict[Path, RowStates]:
    from stackkit.cli.progress import progress
    from stackkit.store.catalogue import row_states

    states, task = {}, "checking rows"
    with progress(style) as reporter:
        reporter.start(task, sum(entry.images for entry in chosen))
        for entry in chosen:
            if entry.contents:
                states[entry.path] = row_states(entry.contents)
                reporter.advance(task, entry.images)
    return states


def _recompute(entry: Entry, count: int, seed: int, style: Style) -> list[Recomputed]:
    from stackkit.cli.progress import progress
    from stackkit.extraction.recompute import recompute
    from stackkit.host.registry import Registry

    registry = Registry(host=the_host())
    with stdout_set_aside(), progress(style) as reporter:
        return recompute(entry.path, _contents(entry), count, seed, registry, reporter)
