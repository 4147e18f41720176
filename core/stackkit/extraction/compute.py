"""Pass images through the networks, and store what they return.

Decoding threads, the networks and a writing thread run at the same time; the number of chunks between
them is limited, and with it the memory. Whole images come first; a second pass over the images shows
networks the parts that the first one found.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import FailedImage
from stackkit.api.reporter import Reporter
from stackkit.extraction.boxes import Boxes, read_boxes
from stackkit.extraction.decoding import Chunk, Decoder, Remarks, Request
from stackkit.extraction.feature_set import needed
from stackkit.extraction.network_calls import ComputedSet, by_call, call, require_finite
from stackkit.extraction.network_seconds import NetworkSeconds
from stackkit.extraction.preparation import Preparation
from stackkit.extraction.summary import ExtractionSummary
from stackkit.extraction.writer import Writer
from stackkit.store import DatasetRows, FeatureFile, FeatureStore
from stackkit.utils.interrupts import ctrl_c_waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(ComputedSet):
    """A feature set that is computed, its open file, and the rows to compute."""

    file: FeatureFile
    pending: frozenset[int]


def open_tasks(
    preparation: Preparation, rows: DatasetRows, store: FeatureStore, files: ExitStack
) -> list[Task]:
    """Open and lock the file of every set; it is closed with `files`."""
    # The pending rows are determined again under the lock: another process may have written some.
    sets = [prepared.feature_set for prepared in preparation.sets]
    opened = {
        prepared.feature_set.label: files.enter_context(
            store.open(prepared.feature_set.key, rows, prepared.provenance)
        )
        for prepared in preparation.sets
    }
    found = {label: file.pending() for label, file in opened.items()}
    pending = needed(sets, found, preparation.hidden)
    return [
        Task(
            feature_set=each,
            geometry=each.geometry,
            file=opened[each.label],
            pending=frozenset(pending.get(each.label, ())),
            shared=prepared.shared,
        )
        for each, prepared in zip(sets, preparation.sets, strict=True)
    ]


def compute_all(
    decoder: Decoder,
    preparation: Preparation,
    tasks: Sequence[Task],
    rows: DatasetRows,
    clock: NetworkSeconds,
    reporter: Reporter,
) -> ExtractionSummary:
    """Compute all sets: in a second pass over the images those that need the boxes of the first."""
    whole = _start_progress(tasks, rows, reporter)
    first = [task for task in tasks if not task.geometry.boxes]
    failed, remarks = _compute_pass(
        first, _chunks(decoder, preparation, first), rows, clock, reporter, whole
    )
    boxes = _read_boxes(tasks)
    second = []
    for task in (task for task in tasks if task.geometry.boxes):
        second.append(_with_boxes(task, boxes))
        _advance(task, len(task.pending - second[-1].pending), reporter, whole)
    todo = sorted(frozenset().union(*(task.pending for task in second)))
    requests = _requests(todo, preparation.chunk_size, second, boxes)
    failed_later, more = _compute_pass(second, decoder.chunks(requests), rows, clock, reporter, whole)
    failed = list(dict.fromkeys([*failed, *failed_later]))
    return _summary(tasks, rows, failed, remarks | more)


def _read_boxes(tasks: Sequence[Task]) -> dict[str, tuple[Boxes, frozenset[int]]]:
    """Return all boxes and the rows that have one, by their name in geometries."""
    names = {task.geometry.boxes: task.feature_set.boxes for task in tasks if task.pending}
    files = {task.feature_set.label: task.file for task in tasks}
    found = {}
    for name, finder in names.items():
        if finder:
            boxes, exist = read_boxes(files[finder.label], finder.key)
            found[name] = boxes, frozenset(np.flatnonzero(exist).tolist())
    return found


def _with_boxes(task: Task, boxes: Mapping[str, tuple[Boxes, frozenset[int]]]) -> Task:
    """Leave out the images without a box: the first pass has listed them as failed."""
    known = boxes[task.geometry.boxes][1] if task.pending else frozenset()
    return replace(task, pending=task.pending & known)


def _chunks(decoder: Decoder, preparation: Preparation, tasks: Sequence[Task]) -> Iterator[Chunk]:
    """Yield every image that is pending for some set; those decoded for the preparation first."""
    decoded = {number for chunk in preparation.decoded for number in chunk.numbers}
    while preparation.decoded:
        yield preparation.decoded.pop(0)  # removed from the list, so that its memory is freed
    todo = sorted(frozenset().union(*(task.pending for task in tasks)) - decoded)
    yield from decoder.chunks(_requests(todo, preparation.chunk_size, tasks, {}))


def _requests(
    todo: Sequence[int],
    size: int,
    tasks: Sequence[Task],
    boxes: Mapping[str, tuple[Boxes, frozenset[int]]],
) -> Iterator[Request]:
    for start in range(0, len(todo), size):
        # Only what is needed: for most chunks, some sets may have all rows already.
        numbers = todo[start : start + size]
        geometries = {t.geometry: None for t in tasks if not t.pending.isdisjoint(numbers)}
        yield Request(
            numbers=numbers,
            geometries=list(geometries),
            boxes={name: found.take(numbers) for name, (found, _) in boxes.items()},
        )


def _compute_pass(
    tasks: Sequence[Task],
    chunks: Iterator[Chunk],
    rows: DatasetRows,
    clock: NetworkSeconds,
    reporter: Reporter,
    whole: str | None,
) -> tuple[list[FailedImage], dict[str, Remarks]]:
    """Pass each chunk through every network and store the results.

    Returns the images that failed, and the remarks on the others.
    """
    failed, remarks = list[FailedImage](), dict[str, Remarks]()
    # Ctrl-C is checked between two batches only, and the writer is left last: a batch that was computed
    # is stored before KeyboardInterrupt ends the extraction.
    with Writer() as writer, ctrl_c_waits(reporter.message) as stop_if_asked:
        # All backbones advance together, chunk by chunk, so that each image is decoded once only.
        for chunk in chunks:
            failed += chunk.failed
            remarks |= chunk.remarks
            for together in by_call(tasks):
                stop_if_asked()
                _compute(together, chunk, rows, clock, writer)
                for task in together:
                    _advance(task, len(task.pending.intersection(chunk.numbers)), reporter, whole)
    return failed, remarks


def _advance(task: Task, count: int, reporter: Reporter, whole: str | None) -> None:
    """Report that some images of a task are done, or have failed."""
    reporter.advance(task.feature_set.label, count)
    if whole:
        reporter.advance(whole, count)


def _start_progress(tasks: Sequence[Task], rows: DatasetRows, reporter: Reporter) -> str | None:
    """Start a task per set, and one for all if there are several; return the name of the latter."""
    readable = rows.n_readable
    for task in tasks:
        reporter.start(task.feature_set.label, readable, readable - len(task.pending))
    if len(tasks) < 2:
        return None
    networks = {id(task.feature_set.backbone) for task in tasks}
    what = "backbones" if len(networks) == len(tasks) else "feature sets"
    whole, left = f"all {len(tasks)} {what}", sum(len(task.pending) for task in tasks)
    reporter.start(whole, readable * len(tasks), readable * len(tasks) - left)
    return whole


def _compute(
    together: Sequence[Task], chunk: Chunk, rows: DatasetRows, clock: NetworkSeconds, writer: Writer
) -> None:
    """Compute the pending rows of a chunk for the sets of one pass, and pass them to the writer."""
    # A row that is pending for some of the sets only is computed for all, and written for these.
    pending = frozenset().union(*(task.pending for task in together))
    places = [place for place, row in enumerate(chunk.rows) if row in pending]
    if not places:
        return
    pixels = chunk.pixels[together[0].geometry]
    # Indexing copies the pixels, which is not necessary if all of them are pending.
    start = time.perf_counter()
    found = call(together, pixels if len(places) == len(chunk.rows) else pixels[places])
    # Sets of one call share its time, so that the times of all sets add up.
    seconds = (time.perf_counter() - start) / len(together)
    numbers = [chunk.rows[place] for place in places]
    for task, features in zip(together, found, strict=True):
        clock.add(task.file.path, seconds, len(task.pending.intersection(numbers)))
        _write(task, numbers, features, rows, writer)


def _write(
    task: Task, numbers: Sequence[int], features: NDArray[np.float32], rows: DatasetRows, writer: Writer
) -> None:
    """Pass the features of images to the writer, of those that are pending for this set."""
    own = [place for place, row in enumerate(numbers) if row in task.pending]
    if not own:
        return
    if len(own) < len(numbers):
        numbers, features = [numbers[place] for place in own], features[own]
    require_finite(task, features, [rows.samples[number].id for number in numbers])
    # partial and not a lambda: arguments are bound now, before the next chunk replaces them.
    writer.submit(partial(task.file.write, numbers, features))


def _summary(
    tasks: Sequence[Task],
    rows: DatasetRows,
    failed: Sequence[FailedImage],
    remarks: Mapping[str, Remarks],
) -> ExtractionSummary:
    # Pending rows of images that failed were not computed.
    broken = {failure.id for failure in failed}
    return ExtractionSummary(
        computed={
            task.feature_set.label: sum(rows.samples[row].id not in broken for row in task.pending)
            for task in tasks
        },
        reused={task.feature_set.label: rows.n_readable - len(task.pending) for task in tasks},
        failed=tuple(failed),
        remarks=remarks,
    )
