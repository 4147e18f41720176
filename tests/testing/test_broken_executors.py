"""Each check of an executor finds a toy with one fault, and no other check does."""

import pytest

from stackkit.testing.checks import executor

BROKEN = {
    "results": """
        class Made(Sound):
            def submit(self, function, *arguments):
                number = arguments[0] if function is tasks.product else 0
                return super().submit(function, *(arguments if number < 3 else (2, *arguments[1:])))
    """,
    "errors": """
        class Made(Sound):
            def submit(self, function, *arguments):
                def change(done):
                    if isinstance(error := done.exception(), ValueError | tasks.ImageError):
                        raise Exception(str(error))
                    return done.result()
                return after(super().submit(function, *arguments), change)
    """,
    "one-at-a-time": """
        class Made(Sound):
            def submit(self, function, *arguments):
                def change(done):  # a thread for each task
                    where, begun, end = done.result()
                    return where, begun - 0.015, end
                future = super().submit(function, *arguments)
                return after(future, change) if function is tasks.interval else future
    """,
    "shared-once": """
        class Made(Sound):
            def share(self, value):
                return value
    """,
    "each-worker": """
        class Made(Sound):
            def on_each_worker(self, function, *arguments):
                found = super().on_each_worker(function, *arguments)
                return dict(list(found.items())[:1])
    """,
    "worker-death": """
        class Made(Sound):
            def submit(self, function, *arguments):
                def change(done):
                    if done.exception() is not None and function is tasks.end_process:
                        raise RuntimeError("BrokenProcessPool")
                    return done.result()
                return after(super().submit(function, *arguments), change)
    """,
    "close": """
        class Made(Sound):
            def submit(self, function, *arguments):
                if self._closed:
                    raise RuntimeError("cannot schedule new futures after shutdown")
                return super().submit(function, *arguments)
    """,
}
IN_CI = "shared-once"
SOME = [each if each == IN_CI else pytest.param(each, marks=pytest.mark.slow) for each in BROKEN]


@pytest.mark.slow
def test_a_sound_executor_passes(toy, failed):
    toy("executor")
    assert failed() == {}


@pytest.mark.parametrize("check", SOME)
def test_only_the_fault_of_an_executor_is_found(toy, failed, check):
    toy("executor", BROKEN[check])
    assert list(failed()) == [check]


def test_every_check_has_a_toy():
    assert [check.name for check in executor.CHECKS] == list(BROKEN)


def test_an_executor_that_cannot_be_started_is_skipped(toy, failed):
    toy(
        "executor",
        """
        from stackkit.api import ExecutorError

        class Made(Sound):
            def __init__(self):
                raise ExecutorError("no cluster answers at tcp://127.0.0.1:9")
        """,
    )
    assert failed() == {}
