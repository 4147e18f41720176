"""Rows are written on a thread, in order, and no failure is lost."""

import threading

import pytest

from stackkit.api.errors import StoreError
from stackkit.extraction.writer import AHEAD, Writer


def failing():
    raise StoreError("the disk is full")


def test_writes_are_done_in_order_and_all_of_them_when_the_block_ends():
    done = []
    with Writer() as writer:
        for number in range(50):
            writer.submit(lambda number=number: done.append(number))
    assert done == list(range(50))


def test_submitting_does_not_wait_for_the_disk():
    go_on, done = threading.Event(), []
    with Writer() as writer:
        writer.submit(go_on.wait)
        writer.submit(lambda: done.append(1))
        assert not done
        go_on.set()
    assert done


def test_only_a_few_blocks_wait():
    held, submitted = threading.Event(), []

    def computing():
        with Writer() as writer:
            for number in range(10):
                writer.submit(held.wait)
                submitted.append(number)

    thread = threading.Thread(target=computing)
    thread.start()
    thread.join(0.2)
    assert len(submitted) == AHEAD + 1
    held.set()
    thread.join()
    assert len(submitted) == 10


def test_a_failed_write_stops_the_work_after_a_few_blocks():
    submitted = []

    def computing():
        with Writer() as writer:
            for number in range(10):
                writer.submit(failing)
                submitted.append(number)

    with pytest.raises(StoreError, match="disk is full"):
        computing()
    assert len(submitted) <= AHEAD + 1


def test_the_last_write_may_fail_too():
    with pytest.raises(StoreError, match="disk is full"), Writer() as writer:
        writer.submit(failing)


def test_what_was_computed_before_an_error_or_ctrl_c_is_written():
    done = []

    def computing():
        with Writer() as writer:
            writer.submit(lambda: done.append(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        computing()
    assert done
