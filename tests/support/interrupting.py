"""What happens at Ctrl-C, to be run in a process of its own: `python -m support.interrupting NAME`."""

import signal
import sys
import threading

import pytest

from stackkit.utils.interrupts import IN_FLIGHT, ctrl_c_waits


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def a_first_ctrl_c_is_reported_at_once_and_raised_between_two_pieces_of_work():
    told, answered = [], threading.Event()

    def tell(text):
        told.append(text)
        answered.set()

    def work():
        with ctrl_c_waits(tell) as stop_if_asked:
            stop_if_asked()
            press_ctrl_c()
            assert answered.wait(10), "while the work goes on"
            stop_if_asked()
            pytest.fail("the next piece of work began")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert told == [IN_FLIGHT]


def ctrl_c_during_a_message_does_not_deadlock():
    stream, told = threading.Lock(), []

    def tell(text):
        with stream:
            told.append(text)

    def work():
        with ctrl_c_waits(tell), stream:
            press_ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert told == [IN_FLIGHT]


def a_second_ctrl_c_stops_at_once_and_restores_handler_and_threads():
    threads, reached = threading.active_count(), []

    def work():
        with ctrl_c_waits(lambda text: None):
            press_ctrl_c()
            reached.append("the work in hand")
            press_ctrl_c()
            reached.append("more")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["the work in hand"]
    assert threading.active_count() == threads
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where tests run
    vars()[sys.argv[1]]()
    sys.stdout.write("passed")
