"""A first Ctrl-C is delayed until the current piece of work is finished, and is reported at once."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "scenario",
    [
        "a_first_ctrl_c_is_reported_at_once_and_raised_between_two_pieces_of_work",
        "ctrl_c_during_a_message_does_not_deadlock",
        "a_second_ctrl_c_stops_at_once_and_restores_handler_and_threads",
    ],
)
def test_in_a_process_of_its_own(scenario: str) -> None:
    # Signals belong to a whole process, and that of the tests has loaded libraries that use them too.
    command = [sys.executable, "-m", "support.interrupting", scenario]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "passed"), done.stderr
