"""Compute all pending rows, and store them: blocks of features come from a computer, and go to files.

A computer decodes images and asks networks, in this process or on workers. Whole images come first; a
second pass over the images shows networks the parts that the first one found. A writing thread runs
beside that; the number of blocks between the two is limited, and with it the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import FailedImage
from stackkit.api.reporter import Reporter
from stackkit.extraction.blocks import Block, PendingSet
from stackkit.extraction.boxes import Boxes, read_boxes
from stackkit.extraction.decoding import Remarks
from stackkit.extraction.feature_set import needed
from stackkit.extraction.network_seconds import NetworkSeconds
from stackkit.extraction.preparation import Preparation
from stackkit.extraction.summary import ExtractionSummary
from stackkit.extraction.writer import Writer
from stackkit.store import DatasetRows, FeatureFile, FeatureStore
from stackkit.utils.interrupts import ctrl_c_waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(PendingSet):
    """A feature set that is computed, and its open file."""

    file: FeatureFile


class Computer(Protocol):
    """Decodes images and asks networks: `in_this_process` or `on_workers`."""

    @property
    def last_words(self) -> str:
        """What is said at the first Ctrl-C: what will be finished before the extraction ends."""

    def prepare(self) -> Preparation:
        """Find out what is pending, and get networks ready for it. Stores nothing."""

    def check_backbones(self, preparation: Preparation) -> None:
        """Refuse backbones whose features of an image depend on other images."""

    def blocks(
        self,
        preparation: Preparation,
        sets: Sequence[PendingSet],
        boxes: Mapping[str, Boxes],
        stop_if_asked: Callable[[], None],
    ) -> Iterator[Block]:
        """Yield blocks, in any order, until all pending rows of some sets are computed or have failed.

        Parameters
        ----------
        preparation : Preparation
            What `prepare` returned.
        sets : sequence of PendingSet
            Sets of the preparation. `PendingSet.number` is their number in it.
        boxes : mapping of str to Boxes
            The boxes of all rows, by `Geometry.boxes`.
        stop_if_asked : callable
            Raises KeyboardInterrupt after Ctrl-C. What was begun before is yielded all the same.

        """


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
            number=number,
            feature_set=each,
            geometry=each.geometry,
            file=opened[each.label],
            pending=_mask(pending.get(each.label, []), len(rows.samples)),
            shared=prepared.shared,
        )
        for number, (each, prepared) in enumerate(zip(sets, preparation.sets, strict=True))
    ]


def _mask(numbers: Sequence[int], count: int) -> NDArray[np.bool_]:
    found = np.zeros(count, dtype=bool)
    found[numbers] = True
    return found


def compute_all(
    computer: Computer,
    preparation: Preparation,
    tasks: Sequence[Task],
    rows: DatasetRows,
    clock: NetworkSeconds,
    reporter: Reporter,
) -> ExtractionSummary:
    """Compute all sets: in a second pass over the images those that need the boxes of the first."""
    progress = _Progress.started(tasks, rows, reporter)
    first = [task for task in tasks if not task.geometry.boxes]

    def compute(some: Sequence[Task], boxes: Mapping[str, Boxes]) -> _Found:
        # The writer is left last: what was computed is stored before KeyboardInterrupt ends the
        # extraction.
        stopping = ctrl_c_waits(reporter.message, computer.last_words)
        with Writer() as writer, stopping as stop_if_asked:
            blocks = computer.blocks(preparation, some, boxes, stop_if_asked)
            return _write_all(blocks, some, clock, progress, writer)

    found = compute(first, {})
    boxes, second = _read_boxes(tasks), list[Task]()
    for task in (task for task in tasks if task.geometry.boxes):
        second.append(_with_boxes(task, boxes))
        progress.advance(task, int(task.pending.sum() - second[-1].pending.sum()))
    later = compute(second, {name: each for name, (each, _) in boxes.items()})
    return _summary(tasks, rows, [*found.failed, *later.failed], {**found.remarks, **later.remarks})


def _read_boxes(tasks: Sequence[Task]) -> dict[str, tuple[Boxes, NDArray[np.bool_]]]:
    """Return all boxes, and (n,) for which rows there is one, by their name in geometries."""
    names = {task.geometry.boxes: task.feature_set.boxes for task in tasks if task.pending.any()}
    files = {task.feature_set.label: task.file for task in tasks}
    return {
        name: read_boxes(files[finder.label], finder.key) for name, finder in names.items() if finder
    }


def _with_boxes(task: Task, boxes: Mapping[str, tuple[Boxes, NDArray[np.bool_]]]) -> Task:
    """Leave out the images without a box: the first pass has listed them as failed."""
    if not task.pending.any():
        return task
    return replace(task, pending=task.pending & boxes[task.geometry.boxes][1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The images that failed, and the remarks on the others, by id."""

    failed: list[FailedImage]
    remarks: dict[str, Remarks]


def _write_all(
    blocks: Iterator[Block],
    tasks: Sequence[Task],
    clock: NetworkSeconds,
    progress: _Progress,
    writer: Writer,
) -> _Found:
    """Pass blocks to the writer as they come."""
    found = _Found(failed=[], remarks={})
    by_number = {task.number: task for task in tasks}
    for block in blocks:
        found.failed.extend(block.failed)
        found.remarks.update(block.remarks)
        for number in block.sets:
            task = by_number[number]
            if number in block.features:
                rows, features = block.features[number]
                clock.add(task.file.path, block.seconds, len(rows))
                # partial and not a lambda: arguments are bound now, before the next block comes.
                writer.submit(partial(task.file.write, rows.tolist(), features))
            progress.advance(task, int(task.among(block.numbers).sum()))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """Progress of each set, and of all together if there are several."""

    reporter: Reporter
    whole: str | None

    @classmethod
    def started(cls, tasks: Sequence[Task], rows: DatasetRows, reporter: Reporter) -> _Progress:
        """Start a task of the reporter per set, and one for all if there are several."""
        readable, left = rows.n_readable, [int(task.pending.sum()) for task in tasks]
        for task, count in zip(tasks, left, strict=True):
            reporter.start(task.feature_set.label, readable, readable - count)
        if len(tasks) < 2:
            return cls(reporter=reporter, whole=None)
        networks = {id(task.feature_set.backbone) for task in tasks}
        what = "backbones" if len(networks) == len(tasks) else "feature sets"
        whole = f"all {len(tasks)} {what}"
        reporter.start(whole, readable * len(tasks), readable * len(tasks) - sum(left))
        return cls(reporter=reporter, whole=whole)

    def advance(self, task: Task, count: int) -> None:
        """Report that some images of a set are done, or have failed."""
        self.reporter.advance(task.feature_set.label, count)
        if self.whole:
            self.reporter.advance(self.whole, count)


def _summary(
    tasks: Sequence[Task],
    rows: DatasetRows,
    failed: Sequence[FailedImage],
    remarks: Mapping[str, Remarks],
) -> ExtractionSummary:
    # Pending rows of images that failed were not computed.
    broken = {failure.id: failure for failure in reversed(failed)}
    whole = np.array([sample.id not in broken for sample in rows.samples] if broken else True)
    return ExtractionSummary(
        computed={task.feature_set.label: int((task.pending & whole).sum()) for task in tasks},
        reused={task.feature_set.label: rows.n_readable - int(task.pending.sum()) for task in tasks},
        # In the order of the dataset, whichever worker was first.
        failed=tuple(broken[each.id] for each in rows.samples if each.id in broken) if broken else (),
        remarks=remarks,
    )
