"""Tasks on workers: bounded, in any order, each with one outcome, whatever fails."""

import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.thread_and_process_workers import ProcessWorkers, ThreadWorkers, square_of_all

from stackkit.api.errors import ExecutorError, WorkerDiedError
from stackkit.execution.tasks import AHEAD, ATTEMPTS, Done, Failed, carried_out
from stackkit.utils.interrupts import StopAtOnce
from stackkit_plugins.local.executor import LocalExecutor

Batch = tuple[int, ...]
"""Numbers of images, which are carried out as one task."""


def halves(batch: Batch) -> list[Batch]:
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]] if middle else []


@contextmanager
def threads(n_workers: int) -> Iterator[ThreadWorkers]:
    workers = ThreadWorkers(n_workers)
    try:
        yield workers
    finally:
        workers.close()


@dataclass
class Images:
    """Images by what happens to the task that computes them, and how often before all is well."""

    fatal: dict[int, int] = field(default_factory=dict)
    failing: dict[int, int] = field(default_factory=dict)
    tried: Counter[int] = field(default_factory=Counter)
    n_failures: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def compute(self, batch: Batch) -> Batch:
        with self.lock:
            self.tried.update(batch)
            dies = any(self.tried[each] <= self.fatal.get(each, 0) for each in batch)
            raises = any(self.tried[each] <= self.failing.get(each, 0) for each in batch)
            self.n_failures += dies or raises
        if dies:
            raise WorkerDiedError("killed by signal 9")
        if raises:
            raise ValueError(f"no light in {batch}")
        return batch


def images_of(outcomes: list[Any]) -> list[int]:
    return sorted(image for outcome in outcomes for image in outcome.item)


@pytest.mark.parametrize("executor", [LocalExecutor(), 1, 3])
def test_every_item_has_its_result(executor: Any) -> None:
    with threads(executor) if isinstance(executor, int) else _itself(executor) as workers:
        found = list(carried_out(workers, pow, range(50), 2))
    assert sorted((each.item, each.value) for each in found) == [(k, k * k) for k in range(50)]


@contextmanager
def _itself(executor: Any) -> Iterator[Any]:
    yield executor


@given(
    n_workers=st.integers(1, 4),
    sizes=st.lists(st.integers(1, 4), max_size=5),
    fatal=st.dictionaries(st.integers(0, 19), st.sampled_from([1, 2, 99]), max_size=6),
    failing=st.dictionaries(st.integers(0, 19), st.sampled_from([1, 2, 99]), max_size=6),
)
def test_any_mix_of_good_failing_and_fatal_images_gives_each_one_outcome(
    n_workers: int, sizes: list[int], fatal: dict[int, int], failing: dict[int, int]
) -> None:
    numbers = iter(range(20))
    batches = [tuple(next(numbers) for _ in range(size)) for size in sizes]
    images, outcomes = Images(fatal=fatal, failing=failing), []
    with threads(n_workers) as workers:
        for outcome in carried_out(workers, images.compute, batches, halves=halves):
            outcomes.append(outcome)
            done = sum(isinstance(each, Done) for each in outcomes)
            assert workers.submitted - done - images.n_failures <= AHEAD * n_workers
    everything = list(range(sum(sizes)))
    assert images_of(outcomes) == everything
    failed = [each for each in outcomes if isinstance(each, Failed)]
    lost = {image for each in failed for image in each.item}
    hopeless = {image for image in everything if 99 in (fatal.get(image), failing.get(image))}
    assert hopeless <= lost
    for each in failed:
        if isinstance(each.error, WorkerDiedError):
            assert len(each.item) == 1, "it was divided down to the image"
            assert fatal.get(each.item[0]), "no other image is blamed"
        else:
            assert any(failing.get(image) for image in each.item)


def test_a_task_that_fails_is_tried_again_and_then_reported_with_its_error() -> None:
    images = Images(failing={0: ATTEMPTS - 1, 1: ATTEMPTS})
    with threads(2) as workers:
        outcomes = list(carried_out(workers, images.compute, [(0,), (1,), (2,)]))
    by_item = {each.item: each for each in outcomes}
    assert [type(by_item[k,]) for k in range(3)] == [Done, Failed, Done]
    assert str(by_item[1,].error) == "no light in (1,)"
    assert images.tried == {0: ATTEMPTS, 1: ATTEMPTS, 2: 1}


def test_a_task_whose_worker_died_twice_is_carried_out_when_no_other_one_runs() -> None:
    lock, attempts, beside = threading.Lock(), 0, list[int]()

    def compute(name: str) -> None:
        nonlocal attempts
        with lock:
            running.append(name)
        time.sleep(0.01)
        with lock:
            fatal = name == "fatal"
            if fatal:
                attempts += 1
                beside.append(len(running) - 1)
            running.remove(name)
        if fatal and attempts <= 2:
            raise WorkerDiedError("gone")

    running = list[str]()
    with threads(3) as workers:
        outcomes = list(carried_out(workers, compute, ["fatal", *"abcdefgh"]))
    assert all(isinstance(each, Done) for each in outcomes)
    assert (outcomes[-1].item, attempts, beside[-1]) == ("fatal", 3, 0)


def test_a_slow_caller_holds_the_workers_back_and_bounds_the_results_in_memory() -> None:
    alive = weakref.WeakSet[Any]()
    lock = threading.Lock()

    class Block:
        def __init__(self, number: int) -> None:
            with lock:
                alive.add(self)

    most, taken = 0, 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(60):
            taken += 1
            yield number

    with threads(3) as workers:
        for count, _ in enumerate(carried_out(workers, Block, numbers()), 1):
            time.sleep(0.002)
            with lock:
                most = max(most, len(alive))
            assert taken - count <= AHEAD * 3
    # One more: the caller's own.
    assert most <= AHEAD * 3 + 1


def test_an_image_that_kills_its_process_is_found_and_all_others_are_computed() -> None:
    workers = ProcessWorkers(2)
    batches = [range(start, start + 4) for start in range(0, 16, 4)]
    try:
        outcomes = list(carried_out(workers, square_of_all, batches, 6, halves=_halves_of_range))
    finally:
        workers.close()
    failed = [each for each in outcomes if isinstance(each, Failed)]
    assert [(list(each.item), type(each.error)) for each in failed] == [([6], WorkerDiedError)]
    squares = sorted(value for each in outcomes if isinstance(each, Done) for value in each.value)
    assert squares == [k * k for k in range(16) if k != 6]


def _halves_of_range(numbers: range) -> list[range]:
    middle = len(numbers) // 2
    return [numbers[:middle], numbers[middle:]] if middle else []


def test_ctrl_c_begins_no_task_but_takes_those_in_flight() -> None:
    pressed = threading.Event()

    def stop() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    def press_after_5(outcomes: Iterator[Any]) -> None:
        for outcome in outcomes:
            taken.append(outcome)
            if len(taken) == 5:
                pressed.set()

    taken = list[Any]()
    with threads(2) as workers:
        with pytest.raises(KeyboardInterrupt):
            press_after_5(carried_out(workers, abs, range(100), stop_if_asked=stop))
        assert len(taken) == workers.submitted < 5 + AHEAD * 2


def test_a_second_ctrl_c_waits_for_nothing() -> None:
    hold = threading.Event()

    def stop() -> None:
        raise StopAtOnce

    with threads(1) as workers:
        with pytest.raises(StopAtOnce):
            list(carried_out(workers, _waiting_for(hold), range(3), stop_if_asked=stop))
        hold.set()


def _waiting_for(event: threading.Event) -> Callable[[int], None]:
    def wait(number: int) -> None:
        if number:
            event.wait()

    return wait


def test_an_engine_that_breaks_ends_the_work_after_the_results_that_have_arrived() -> None:
    ready = threading.Barrier(3)

    def compute(number: int) -> int:
        ready.wait()
        if number == 1:
            raise ExecutorError("the scheduler at tcp://10.0.0.1:8786 does not answer")
        return number

    def take(outcomes: Iterator[Any]) -> None:
        for outcome in outcomes:
            taken.append(outcome.item)
            time.sleep(0.05)  # the others arrive meanwhile

    taken = list[int]()
    with threads(3) as workers, pytest.raises(ExecutorError, match="does not answer"):
        take(carried_out(workers, compute, range(3)))
    assert set(taken) <= {0, 2}


def test_workers_that_end_at_every_task_end_the_work_with_a_reason() -> None:
    def compute(number: int) -> None:
        raise WorkerDiedError("killed by signal 9")

    with threads(2) as workers, pytest.raises(ExecutorError, match=r"again and again.*signal 9"):
        list(carried_out(workers, compute, range(1000)))
    assert workers.submitted < 1000


def test_what_cannot_be_handed_over_fails_with_its_reason_and_costs_no_other_task() -> None:
    class Refusing(ThreadWorkers):
        def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
            if arguments == (2,):
                raise TypeError("cannot pickle a lock")
            return super().submit(function, *arguments)

    workers = Refusing(2)
    outcomes = list(carried_out(workers, abs, range(4)))
    workers.close()
    assert [each.item for each in outcomes if isinstance(each, Failed)] == [2]


def test_a_plugin_that_exits_on_a_worker_does_not_end_this_process() -> None:
    with threads(1) as workers:
        (outcome,) = carried_out(workers, _leave, [3])
    assert isinstance(outcome, Failed)
    assert str(outcome.error) == "SystemExit: 3"


def _leave(code: int) -> None:
    raise SystemExit(code)
