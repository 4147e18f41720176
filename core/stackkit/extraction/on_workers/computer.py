"""Compute blocks of features on workers: hand out tasks, and yield the blocks that come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stackkit.api.backbone import Readiness
from stackkit.api.dataset import FailedImage
from stackkit.api.errors import ExtractionError, StackkitError, WorkerDiedError, one_line
from stackkit.api.executor import Executor
from stackkit.api.reporter import Reporter
from stackkit.execution.references import ComponentReference
from stackkit.execution.tasks import ATTEMPTS, Done, Failed, carried_out
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.blocks import Block, PendingSet, Rows, pending_in
from stackkit.extraction.boxes import Boxes
from stackkit.extraction.decoding import Remarks, damaged, strict_error
from stackkit.extraction.feature_set import FeatureSet, feature_sets
from stackkit.extraction.on_workers.job import (
    DatasetJob,
    ExtractionJob,
    ImageTask,
    SetJob,
    TaskResult,
)
from stackkit.extraction.on_workers.preflight import (
    combined,
    prepared_workers,
    require_same_versions,
)
from stackkit.extraction.on_workers.session import compute
from stackkit.extraction.on_workers.task_size import TaskSize
from stackkit.extraction.on_workers.worker_versions import worker_versions
from stackkit.extraction.passes import Pass
from stackkit.extraction.preparation import Preparation, pending_sets, prepared_sets, say_why
from stackkit.extraction.ready_networks import ReadyNetworks, work_of
from stackkit.store import DatasetRows, FeatureStore

SAMPLES = 1000
"""Among so many images, at most, workers look for some to prepare networks with."""

PROBES = 3
"""So many images are compared with those that workers find, before anything is computed."""

MOST_FAILED = 10
"""After so many tasks that failed on every attempt, the others are not tried any more."""

LAST_WORDS = "stopping after the tasks in flight; press Ctrl-C again to stop at once"


@dataclass(kw_only=True)
class Workers:
    """A `Computer` whose networks are on the workers of an executor."""

    executor: Executor
    dataset: DatasetJob
    backbones: Sequence[CheckedBackbone]
    rows: DatasetRows
    store: FeatureStore
    reporter: Reporter
    strict: bool
    last_words: str = LAST_WORDS
    _job: Any = None
    _settings: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)

    def prepare(self) -> Preparation:
        """Find out what is pending, and prepare every worker if something is."""
        sets, pending, hidden = pending_sets(self.rows, self.backbones, self.store)
        say_why(sets, pending, self.rows, self.store, self.reporter)
        passes = list(work_of(sets, pending))
        networks = ReadyNetworks(passes=passes, readiness={}, decoded=[], readable=frozenset())
        if passes:
            networks = self._prepared(sets, pending, networks)
        return Preparation(
            sets=prepared_sets(sets, pending, networks), hidden=hidden, decoded=networks.decoded
        )

    def check_backbones(self, preparation: Preparation) -> None:
        """Do nothing: workers check their backbones when they prepare them."""

    def blocks(
        self,
        preparation: Preparation,
        sets: Sequence[PendingSet],
        boxes: Mapping[str, Boxes],
        stop_if_asked: Callable[[], None],
    ) -> Iterator[Block]:
        """Yield blocks in the order in which they come back, see `Computer`."""
        todo = pending_in(sets)
        size = TaskSize(images=len(todo), batch=preparation.chunk_size)
        failures = list[Failed[ImageTask]]()
        outcomes = carried_out(
            self.executor,
            compute,
            self._tasks(todo, sets, boxes, size, failures),
            self._job,
            halves=ImageTask.halves,
            stop_if_asked=stop_if_asked,
        )
        for outcome in outcomes:
            if isinstance(outcome, Done):
                yield from self._blocks_of(outcome.value, size)
            elif isinstance(outcome.error, WorkerDiedError):
                yield self._without(outcome.item, outcome.error)
            else:
                failures.append(outcome)
        if failures:
            raise self._error_of(failures)

    def _prepared(
        self, sets: Sequence[FeatureSet], pending: Mapping[str, list[int]], networks: ReadyNetworks
    ) -> ReadyNetworks:
        """Prepare every worker, and return how they work together."""
        require_same_versions(self.executor)
        self._job, workers = prepared_workers(self.executor, self._job_of(sets, pending))
        for text in dict.fromkeys(text for worker in workers for text in worker.messages):
            self.reporter.message(text)
        readiness = dict[Pass, Readiness]()
        for number, one in enumerate(sets):
            self._settings[number] = [each.settings for w in workers if (each := w.readiness[number])]
            if ready := combined(workers, number):
                readiness |= {each: ready for each in networks.passes if one.backbone in each.members}
        # Images after those of the sample were not tried, and their rows need an origin, too.
        untried = {row for rows in pending.values() for row in rows[SAMPLES : SAMPLES + 1]}
        readable = untried.union(*(worker.readable for worker in workers))
        return replace(networks, readiness=readiness, readable=frozenset(readable))

    def _job_of(self, sets: Sequence[FeatureSet], pending: Mapping[str, list[int]]) -> ExtractionJob:
        order = [each.key for each in feature_sets(self.backbones)]
        told = tuple(
            SetJob(
                number=order.index(one.key),
                label=one.label,
                key=one.key,
                pending=len(pending[one.label]),
                sample=tuple(pending[one.label][:SAMPLES]),
            )
            for one in sets
        )
        samples = {row for each in told for row in each.sample}
        return ExtractionJob(
            dataset=self.dataset,
            backbones=tuple(map(self._reference, self.backbones)),
            sets=told,
            threads=self.executor.threads,
            n_workers=max(1, self.executor.n_workers),
            versions=worker_versions(),
            probes=self._some_fingerprints(),
            fingerprints={row: self.rows.fingerprints[row] for row in sorted(samples)},
        )

    def _some_fingerprints(self) -> dict[int, str]:
        """Return the fingerprints of a few images from all over the dataset."""
        known = self.rows.fingerprints
        readable = [number for number, each in enumerate(known) if each]
        step = max(1, len(readable) // PROBES)
        return {number: known[number] for number in readable[::step][:PROBES]}

    def _reference(self, backbone: CheckedBackbone) -> ComponentReference:
        assert backbone.component, "`extract` hands out only what workers can make"
        found = ComponentReference.of(backbone.component)
        threads = self.executor.threads
        if threads is None or any(name == "threads" for name, _ in found.machine):
            return found
        return replace(found, machine=(*found.machine, ("threads", str(threads))))

    def _tasks(
        self,
        todo: Rows,
        sets: Sequence[PendingSet],
        boxes: Mapping[str, Boxes],
        size: TaskSize,
        failures: Sequence[object],
    ) -> Iterator[ImageTask]:
        """Divide the images into tasks, each of which is made when a worker is free for it."""
        start = 0
        while start < len(todo) and len(failures) < MOST_FAILED:
            count = size.next(len(todo) - start, max(1, self.executor.n_workers))
            numbers = todo[start : start + count]
            start += count
            pending = {each.number: each.among(numbers) for each in sets}
            yield ImageTask(
                numbers=numbers,
                fingerprints=tuple(self.rows.fingerprints[number] for number in numbers),
                pending={number: each for number, each in pending.items() if each.any()},
                boxes={name: each.take(numbers.tolist()) for name, each in boxes.items()},
            )

    def _blocks_of(self, result: TaskResult, size: TaskSize) -> Iterator[Block]:
        self._note_settings(result.settings)
        decoded = sum(len(block.numbers) for block in result.blocks if not block.sets)
        size.add(decoded, sum(block.seconds * len(block.sets) for block in result.blocks))
        for block in result.blocks:
            yield block if block.sets else self._with_empty_remarks(block)

    def _with_empty_remarks(self, block: Block) -> Block:
        """Say of all images that were decoded what is special about them: mostly nothing."""
        if self.strict and (refused := [*block.failed, *damaged(block.remarks)]):
            raise strict_error(refused[0])
        failed = {failure.id for failure in block.failed}
        names = (self.rows.samples[number].id for number in block.numbers)
        found: dict[str, Remarks] = {name: () for name in names if name not in failed}
        return replace(block, remarks={**found, **block.remarks})

    def _note_settings(self, settings: Mapping[int, Mapping[str, Any]]) -> None:
        """Tell the user if a worker that came later computes in another way."""
        for number, each in settings.items():
            known = self._settings.setdefault(number, [])
            if each not in known:
                if known:
                    self.reporter.message(
                        f"a worker that joined later computes with other settings, {dict(each)}; the "
                        "stored features do not record them"
                    )
                known.append(each)

    def _without(self, task: ImageTask, error: WorkerDiedError) -> Block:
        """List an image that ends every worker that computes it."""
        names = [self.rows.samples[number].id for number in task.numbers]
        reason = f"ended the worker that computed it ({error})"
        if self.strict:
            raise strict_error(FailedImage(id=names[0], reason=reason))
        failed = tuple(FailedImage(id=name, reason=reason) for name in names)
        return Block(numbers=task.numbers, sets=tuple(task.pending), failed=failed)

    def _error_of(self, failures: Sequence[Failed[ImageTask]]) -> StackkitError:
        """Return the error that names the images of tasks that failed on every attempt."""
        error, numbers = failures[0].error, failures[0].item.numbers
        first, last = (self.rows.samples[numbers[place]].id for place in (0, -1))
        images = first if len(numbers) == 1 else f"the {len(numbers)} images from {first} to {last}"
        if rest := sum(len(failure.item.numbers) for failure in failures[1:]):
            images += f", and {rest:,} others"
        kind = type(error) if isinstance(error, StackkitError) else ExtractionError
        reason = str(error) if isinstance(error, StackkitError) else one_line(error)
        return kind(
            f"{reason} (on {ATTEMPTS} attempts to compute {images}); what was computed is kept: rerun "
            "the same command to go on"
        )
