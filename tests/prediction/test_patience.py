"""A user who has to wait reads why; one who gets the answer at once does not."""

import threading

import pytest

from stackkit.prediction.patience import WhileWaiting


def test_what_is_said_during_a_short_block_is_dropped_and_what_follows_is_shown():
    shown = []
    with WhileWaiting(shown.append, 60) as tell:
        tell("as always")
    tell("out of memory")
    assert shown == ["out of memory"]


def test_what_is_said_during_a_long_block_is_shown_as_soon_as_it_is_long():
    shown, seen = [], threading.Event()

    def show(text):
        shown.append(text)
        seen.set()

    with WhileWaiting(show, 0.01) as tell:
        tell("setting up")
        assert seen.wait(20)
        tell("rejected")
        assert shown == ["setting up", "rejected"]


def test_what_is_said_before_an_error_is_shown():
    shown = []
    with pytest.raises(ValueError, match="no"):
        fail(shown)
    assert shown == ["the reason"]


def fail(shown: list) -> None:
    with WhileWaiting(shown.append, 60) as tell:
        tell("the reason")
        raise ValueError("no")
