"""The side of a worker: keep the dataset and the networks between tasks, and carry out one at a time."""

from __future__ import annotations

import platform
import threading
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from stackkit.api.backbone import Readiness
from stackkit.api.errors import DatasetError, ImageError, PluginError, StackkitError, WeightsError
from stackkit.execution.references import ComponentReference
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.extraction.blocks import Block, PendingSet, blocks_of, requests
from stackkit.extraction.dataset import CheckedDataset, open_dataset, part_of
from stackkit.extraction.decoding import Decoder
from stackkit.extraction.feature_set import FeatureSet, feature_sets
from stackkit.extraction.on_workers.job import (
    DatasetJob,
    ExtractionJob,
    ImageTask,
    TaskResult,
    WorkerReadiness,
    digest_of,
)
from stackkit.extraction.on_workers.worker_versions import difference, worker_versions
from stackkit.extraction.passes import Pass
from stackkit.extraction.ready_networks import (
    SAMPLE_IMAGES,
    ReadyNetworks,
    ready_networks,
    sample_images,
)
from stackkit.extraction.row_independence import require_independent_rows

_ONE_AT_A_TIME = threading.RLock()
"""A network has the memory and the threads of a worker for itself, whatever the engine does."""

_datasets: dict[str, tuple[DatasetJob, CheckedDataset]] = {}
_sessions: dict[str, tuple[ExtractionJob, Session]] = {}
"""What this process has open, under one name each: another job replaces it, and frees its memory."""


def prepare_worker(job: ExtractionJob) -> WorkerReadiness:
    """Open the dataset and prepare the networks of a job; raises StackkitError if they do not fit it."""
    with _ONE_AT_A_TIME:
        return _session(job).readiness()


def compute(task: ImageTask, job: ExtractionJob) -> TaskResult:
    """Compute the features of some images."""
    with _ONE_AT_A_TIME:
        return _session(job).compute(task)


def dataset_of(job: DatasetJob) -> CheckedDataset:
    """Return the dataset of a job, and check that it has the same samples.

    Raises
    ------
    PluginError
        If its plugin is missing.
    DatasetError
        If it cannot be read, or differs.

    """
    with _ONE_AT_A_TIME:
        known = _datasets.get("open")
        if known is None or known[0] != job:
            known = job, _opened(job)
            _datasets["open"] = known
        return known[1]


def _opened(job: DatasetJob) -> CheckedDataset:
    component = job.component.resolve_on_worker(job.settings)
    try:
        dataset = open_dataset(component, least_classes=1)
        dataset = part_of(dataset, *job.shard) if job.shard else dataset
    except (StackkitError, OSError) as error:
        raise DatasetError(
            f"{component.text} cannot be read there: {error}; give it as an absolute path of a folder "
            "that all workers share, or as s3://…"
        ) from error
    if digest_of(dataset.samples) != job.samples:
        raise DatasetError(
            f"{component.text} has other images there than where the run was started "
            f"({len(dataset.samples):,}); use a folder that all workers share"
        )
    return dataset


def _require_same_image(dataset: CheckedDataset, number: int, fingerprint: str) -> None:
    name, text = dataset.samples[number].id, dataset.component.text
    try:
        same = dataset.fingerprint(number) == fingerprint
    except (OSError, ImageError) as error:
        raise DatasetError(f"{name} of {text} cannot be read there: {error}") from error
    if not same:
        raise DatasetError(
            f"{name} of {text} is another image there than where the run was started; use a folder that "
            "all workers share"
        )


def _session(job: ExtractionJob) -> Session:
    known = _sessions.get("open")
    if known is None or known[0] != job:
        _sessions.clear()  # before the next one is made: both networks might not fit in memory
        known = _sessions["open"] = job, Session(job)
    return known[1]


class Session:
    """The dataset and the networks of one job, ready to compute."""

    def __init__(self, job: ExtractionJob) -> None:
        # A worker that joined after the others were asked is asked here.
        if problem := difference(worker_versions(), job.versions):
            raise PluginError(f"a worker on {platform.node()} {problem}")
        self._job = job
        self._dataset = dataset_of(job.dataset)
        for number, fingerprint in job.probes.items():
            _require_same_image(self._dataset, number, fingerprint)
        self._sets = _sets_of(job)
        self._messages: list[str] = []
        sample = {one.label: each.sample for one, each in zip(self._sets, job.sets, strict=True)}
        with self._decoder(job.fingerprints) as decoder:
            self._networks = ready_networks(
                decoder, self._sets, sample, self._messages.append, expected=self._expected
            )
        _require_independent(self._networks)
        self._networks.decoded.clear()

    def readiness(self) -> WorkerReadiness:
        """Return how the networks work."""
        return WorkerReadiness(
            readiness=tuple(self._readiness(one) for one in self._sets),
            readable=frozenset(self._networks.readable),
            messages=tuple(self._messages),
        )

    def compute(self, task: ImageTask) -> TaskResult:
        """Compute the features of some images."""
        with self._decoder(dict(zip(task.numbers.tolist(), task.fingerprints, strict=True))) as decoder:
            self._prepare_others(decoder, task)
            sets = self._pending(task)
            todo = requests(task.numbers, self._chunk_size, sets, task.boxes)
            blocks = [
                _without_empty_remarks(block)
                for chunk in decoder.chunks(todo)
                for block in blocks_of(chunk, sets, self._dataset.samples)
            ]
        found = {each.number: self._networks.readiness.get(each.shared) for each in sets}
        settings = {number: each.settings for number, each in found.items() if each}
        return TaskResult(blocks=tuple(blocks), settings=settings)

    def _decoder(self, fingerprints: Mapping[int, str]) -> Decoder:
        # Images that fail are listed; the process that gets the list refuses them if it is strict.
        return Decoder(self._dataset, fingerprints, threads=self._job.threads)

    @property
    def _chunk_size(self) -> int:
        return max([SAMPLE_IMAGES, *(each.batch_size for each in self._networks.readiness.values())])

    def _pass_of(self, one: FeatureSet) -> Pass | None:
        """Return what computes a set; None if nothing is pending for it."""
        known = {id(member): each for each in self._networks.passes for member in each.members}
        return known.get(id(one.backbone))

    def _readiness(self, one: FeatureSet) -> Readiness | None:
        shared = self._pass_of(one)
        return self._networks.readiness.get(shared) if shared else None

    def _expected(self, each: Pass) -> int:
        """Return about how many images a network of this worker will compute."""
        found: dict[object, int] = {}
        for one, told in zip(self._sets, self._job.sets, strict=True):
            if any(member is one.backbone for member in each.members):
                found[one.geometry] = max(found.get(one.geometry, 0), told.pending)
        return -(-sum(found.values()) // self._job.n_workers)

    def _pending(self, task: ImageTask) -> list[PendingSet]:
        first, last = int(task.numbers[0]), int(task.numbers[-1])
        found = []
        for number, own in task.pending.items():
            one, pending = self._sets[number], np.zeros(last - first + 1, dtype=bool)
            pending[task.numbers - first] = own
            shared = self._pass_of(one)
            assert shared, "a task has rows of sets for which some are pending"
            found.append(
                PendingSet(
                    number=number,
                    feature_set=one,
                    geometry=one.geometry,
                    shared=shared,
                    pending=pending,
                    first=first,
                )
            )
        return found

    def _prepare_others(self, decoder: Decoder, task: ImageTask) -> None:
        """Prepare networks that no sample image could be decoded for, with the images of a task."""
        left = {one.label: list[int]() for one in self._sets}
        for number, own in task.pending.items():
            shared = self._pass_of(self._sets[number])
            if shared and shared not in self._networks.readiness:
                # For all sets of the pass, so that it is the same one.
                for one in self._sets:
                    if self._pass_of(one) is shared:
                        left[one.label] = sorted({*left[one.label], *task.numbers[own].tolist()})
        if any(left.values()):
            ready = ready_networks(
                decoder, self._sets, left, self._messages.append, expected=self._expected
            )
            _require_independent(ready)
            replaced = {id(member) for each in ready.passes for member in each.members}
            kept = [each for each in self._networks.passes if id(each.members[0]) not in replaced]
            self._networks = replace(
                self._networks,
                passes=[*kept, *ready.passes],
                readiness={**self._networks.readiness, **ready.readiness},
            )


def _require_independent(networks: ReadyNetworks) -> None:
    """Refuse third-party backbones whose features of an image depend on other images."""
    for each in networks.readiness:
        if each.backbone.code:  # third-party
            require_independent_rows(each.backbone, sample_images(networks.decoded, each.backbone))


def _sets_of(job: ExtractionJob) -> list[FeatureSet]:
    """Return the sets of a job; raises StackkitError unless their features have the same keys."""
    backbones = list[CheckedBackbone]()
    for reference in job.backbones:
        component = reference.resolve_on_worker(job.dataset.settings)
        backbones.append(_with_weights(reference, make_backbone(component)))
    sets = feature_sets(backbones)
    for told in job.sets:
        ours = sets[told.number].key if told.number < len(sets) else None
        if ours != told.key:
            theirs = ours.revision if ours else "none"
            raise WeightsError(
                f"{told.label} has features of revision {theirs!r} there, not {told.key.revision!r}; "
                "its code, weights or required packages differ: install the same"
            )
    return [sets[told.number] for told in job.sets]


def _with_weights(reference: ComponentReference, backbone: CheckedBackbone) -> CheckedBackbone:
    try:
        for each in (backbone, backbone.boxes):
            if each:
                _ = each.key
    except WeightsError as error:
        raise WeightsError(
            f"{error}; run `stackkit fetch` with the same backbones there, or let all workers share "
            "STACKKIT_HOME"
        ) from error
    return backbone


def _without_empty_remarks(block: Block) -> Block:
    return replace(block, remarks={name: each for name, each in block.remarks.items() if each})
