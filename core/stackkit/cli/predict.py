"""`stackkit predict`: label image files with a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stackkit.api.errors import ImageError, UsageError
from stackkit.cli import options
from stackkit.cli import predict_options as own
from stackkit.cli.output import stdout_for_results
from stackkit.cli.predict_options import Format, Job
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.cli.labelling import Labelled
    from stackkit.cli.progress import Style


def predict(
    model: own.Model,
    paths: own.Paths,
    by_nul: own.ByNul = False,
    top: own.Top = 5,
    min_confidence: own.MinConfidence = None,
    target_precision: own.TargetPrecision = None,
    trust: own.Trust = None,
    device: options.Device = None,
    threads: options.Threads = None,
    sort_into: own.SortInto = None,
    how: own.HowToSort = "copy",
    dry_run: own.DryRun = False,
    as_json: options.Json = False,
    as_jsonl: own.JsonLines = False,
    as_csv: options.Csv = False,
    parquet: own.Parquet = None,
    overwrite: own.Overwrite = False,
    resume: own.Resume = None,
    progress: options.Progress = "auto",
) -> None:
    """Label images with a trained model.

    Exit code 1: some images could not be read; 9: none could.

    Try: stackkit predict birds.stackkit photos/ --target-precision 0.95
    """
    options.check_count("--threads", threads)
    options.check_count("--top", top)
    _check_combinations(sort_into, how, parquet, resume, dry_run=dry_run, overwrite=overwrite)
    job = Job(
        model=model,
        form=_format(as_json=as_json, as_jsonl=as_jsonl, as_csv=as_csv),
        paths=tuple(_named(paths, by_nul=by_nul)),
        answers={"top": top, "min_confidence": min_confidence, "target_precision": target_precision},
        machine={"device": device, "threads": threads},
        trust=tuple(trust or ()),
        sort_into=sort_into,
        how=how,
        dry_run=dry_run,
        parquet=parquet,
        overwrite=overwrite,
        resume=resume,
    )
    try:
        labelled = _carry_out(job, progress)
    except BrokenPipeError:  # as with `| head`: nobody reads what is still to come
        raise typer.Exit(0) from None
    _conclude(labelled)


def _format(*, as_json: bool, as_jsonl: bool, as_csv: bool) -> Format:
    chosen: dict[Format, bool] = {"json": as_json, "jsonl": as_jsonl, "csv": as_csv}
    given = [form for form, is_given in chosen.items() if is_given]
    if len(given) > 1:
        names = " and ".join(f"--{form}" for form in given)
        raise UsageError(f"{names} cannot be combined; choose one of them")
    return given[0] if given else "text"


def _check_combinations(
    sort_into: Path | None,
    how: str,
    parquet: Path | None,
    resume: Path | None,
    *,
    dry_run: bool,
    overwrite: bool,
) -> None:
    if sort_into is None and dry_run:
        raise UsageError("--dry-run needs --sort-into DIR: nothing else of this command changes files")
    if sort_into is None and how != "copy":
        raise UsageError(f"--how {how} needs --sort-into DIR")
    if dry_run and resume:
        raise UsageError("--dry-run cannot be combined with --resume: its images would count as done")
    if overwrite and not parquet:
        raise UsageError("--overwrite needs --parquet FILE: nothing else of this command is replaced")


def _named(paths: Sequence[str], *, by_nul: bool) -> Iterator[str]:
    """Yield the arguments, with the list on standard input in place of "-"."""
    if by_nul and "-" not in paths:
        raise UsageError("-0 is about the list on standard input; add - to the paths")
    for path in paths:
        if path != "-":
            yield path
            continue
        from stackkit.prediction.image_sources import listed

        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("- reads a list of paths from standard input, which is a terminal")
        yield from listed(sys.stdin.buffer.read(), by_nul=by_nul)


def _carry_out(job: Job, style: Style) -> Labelled:
    from stackkit.cli.labelling import label
    from stackkit.cli.progress import progress

    # Live bars would be written into the lines of a table on the same terminal.
    is_shared = job.form == "text" and sys.stdout is not None and sys.stdout.isatty()
    style = "none" if is_shared and style == "auto" else style
    with stdout_for_results() as stdout, progress(style) as reporter:
        return label(job, stdout, reporter)


def _conclude(labelled: Labelled) -> None:
    """Say how many images were labelled; raise an error or exit if some could not be read."""
    for line in labelled.lines():
        say(line, err=True)
    failed = labelled.failed + labelled.failed_before
    if failed and not labelled.known + labelled.known_before:
        raise ImageError(f"none of the {failed:,} images could be read")
    if failed:
        raise typer.Exit(1)
