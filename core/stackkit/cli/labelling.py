"""Label the images that a command line names, and pass each result on as soon as it is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from stackkit.api.dataset import FailedImage
from stackkit.api.errors import StackkitError, UsageError
from stackkit.api.reporter import Reporter
from stackkit.cli.host import the_host
from stackkit.cli.predict_options import Job
from stackkit.host.registry import Registry
from stackkit.model.saved import load_model
from stackkit.prediction.image_sources import find_images, left_out_lines, shown
from stackkit.prediction.outputs import Csv, Json, JsonLines, Output, parquet_file
from stackkit.prediction.predictor import Predictor
from stackkit.prediction.record import Prediction
from stackkit.prediction.result_file import ResultFile, made_with, result_file
from stackkit.prediction.rows import Result, columns
from stackkit.prediction.sorting import Sorter
from stackkit.utils.console import cells, encoding_of, literal, padded
from stackkit.utils.interrupts import ctrl_c_waits

TASK = "labelling images"


@dataclass(kw_only=True)
class Labelled:
    """What a command has done.

    Parameters
    ----------
    known, failed : int
        Images that were labelled, and that could not be read.
    known_before, failed_before : int
        The same of images that the file of `--resume` had already.
    unsure, novel : int
        Labelled images whose label is not accepted, and those unlike the training images.
    left_out : Counter of str
        Files in folders that were left out, by reason.

    """

    known: int = 0
    failed: int = 0
    known_before: int = 0
    failed_before: int = 0
    unsure: int = 0
    novel: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Count a result."""
        if isinstance(result, FailedImage):
            self.failed += 1
            return
        self.known += 1
        self.unsure += not result.accepted
        self.novel += result.novel

    def lines(self) -> Iterator[str]:
        """Yield what the user should read at the end."""
        yield from left_out_lines(self.left_out)
        yield f"labelled: {self.known:,}{_before(self.known_before)}"
        if self.unsure:
            yield f"? {self.unsure:,} below the threshold: look at these images yourself"
        if self.novel:
            yield f"* {self.novel:,} unlike everything in training: the label may mean nothing"
        if self.failed or self.failed_before:
            yield f"could not be read: {self.failed:,}{_before(self.failed_before)}"

    def document(self) -> dict[str, Any]:
        """Return the numbers as a JSON object."""
        return {
            "labelled": self.known,
            "failed": self.failed,
            "labelled_before": self.known_before,
            "failed_before": self.failed_before,
            "not_accepted": self.unsure,
            "novel": self.novel,
            "left_out": dict(sorted(self.left_out.items())),
        }


def _before(count: int) -> str:
    return f", and {count:,} before" if count else ""


class Table:
    """A line per image: probability, mark, label and path, of which only the last has any width."""

    def __init__(self, stream: TextIO, classes: Sequence[str]) -> None:
        self._stream, self._encoding = stream, encoding_of(stream)
        self._width = max(cells(literal(name, self._encoding)) for name in classes)

    def write(self, result: Result, target: str | None) -> None:
        """Print the line of a labelled image; failures are on stderr."""
        if isinstance(result, FailedImage):
            return
        mark = "*" if result.novel else " " if result.accepted else "?"
        label = padded(literal(result.label, self._encoding), self._width)
        where = f" -> {target}" if target else ""
        line = literal(f"{result.source}{where}", self._encoding)
        self._stream.write(f"{result.probability:6.1%} {mark} {label}  {line}\n")
        self._stream.flush()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Do nothing: the numbers are on stderr."""


def label(job: Job, stdout: TextIO, reporter: Reporter) -> Labelled:
    """Carry out a command.

    Raises
    ------
    StackkitError
        If the model cannot be loaded, no image is named, or an output cannot be written.

    """
    with ExitStack() as files:
        predictor = predictor_of(job.model, job.trust, reporter, **job.answers, **job.machine)
        sources = find_images(job.paths, without=job.sort_into)
        if not sources.paths:
            reasons = "; ".join(left_out_lines(sources.left_out))
            named = ", ".join(map(shown, job.paths)) or "the list"
            raise UsageError(f"no images in {named}" + (f"; {reasons}" if reasons else ""))
        outputs, kept = _outputs(job, predictor, stdout, files)
        labelled = Labelled(left_out=sources.left_out)
        todo = [path for path in sources.paths if not (kept and _is_done(path, kept, labelled))]
        reporter.start(TASK, len(sources.paths), len(sources.paths) - len(todo))
        sorter = None
        if job.sort_into:
            sorter = Sorter(
                root=job.sort_into, classes=predictor.model.classes, how=job.how, dry_run=job.dry_run
            )
        for result, target in _results(todo, predictor, sorter, reporter):
            labelled.add(result)
            for output in outputs:
                output.write(result, target)
        for output in outputs:
            output.finish(labelled.document())
    return labelled


def predictor_of(path: Path, trust: Sequence[str], reporter: Reporter, **settings: Any) -> Predictor:
    """Load a model for `Predictor(model, **settings)`; tell what the user should know about it."""
    model = load_model(path, Registry(host=the_host()), trust=tuple(trust))
    for warning in model.facts.get("warnings", ()):
        reporter.message(f"warning: {warning}")
    predictor = Predictor(model, **settings, reporter=reporter)
    if predictor.acceptance:
        reporter.message(predictor.acceptance.text)
    return predictor


def _is_done(path: str, kept: ResultFile, labelled: Labelled) -> bool:
    """Return whether a file of results has an image, and count it."""
    is_known = kept.done.get(kept.key(shown(path)))
    labelled.known_before += is_known is True
    labelled.failed_before += is_known is False
    return is_known is not None


def _results(
    paths: Sequence[str], predictor: Predictor, sorter: Sorter | None, reporter: Reporter
) -> Iterator[tuple[Result, str | None]]:
    """Yield each result, and where the image was put; it is put there first, so that no row lies."""
    with (
        ctrl_c_waits(reporter.message, "stopping after the current images") as stop_if_asked,
        closing(predictor.predict_files(paths)) as results,
    ):
        for path, result in zip(paths, results, strict=True):
            target = None
            if isinstance(result, FailedImage):
                reporter.message(f"failed: {result.id}: {result.reason}")
            elif sorter:
                target = _put(sorter, path, result)
            yield result, target
            reporter.advance(TASK, 1)
            stop_if_asked()


def _put(sorter: Sorter, path: str, result: Prediction) -> str:
    try:
        return shown(str(sorter.put(Path(path), result).target))
    except OSError as error:
        raise StackkitError(
            f"{shown(path)} cannot be put into {sorter.root}: {error.strerror or error}; images that "
            "are there already are complete, and the same command goes on from here"
        ) from error


def _outputs(
    job: Job, predictor: Predictor, stdout: TextIO, files: ExitStack
) -> tuple[list[Output], ResultFile | None]:
    """Open every output that a command asks for; return them, and the one that may have rows."""
    names = columns(predictor.top, len(predictor.model.stack.learners))
    kept = None
    if job.resume:
        least = predictor.acceptance.confidence if predictor.acceptance else None
        digest, is_sorting = predictor.model.facts["sha256"], job.sort_into is not None
        made = made_with(digest, predictor.top, least, is_sorting=is_sorting)
        kept = files.enter_context(result_file(job.resume, names, made))
    found: list[Output] = [kept] if kept else []
    if job.parquet:
        found.append(files.enter_context(parquet_file(job.parquet, names, overwrite=job.overwrite)))
    if job.form == "json":
        accepted = predictor.acceptance.document() if predictor.acceptance else None
        found.append(Json(stdout, {"model": shown(str(job.model)), "acceptance": accepted}))
    elif job.form == "jsonl":
        found.append(JsonLines(stdout))
    elif job.form == "csv":
        found.append(Csv(stdout, names))
    elif not found or job.sort_into:
        found.append(Table(stdout, predictor.model.classes))
    return found, kept
