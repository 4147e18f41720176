"""Two runs never write to one --out: the second is refused at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import Command, chosen, photographs, variables

from stackkit.api.errors import UsageError
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.metrics import Result
from stackkit.report.report import FILE_NAME, reserved

HOLDING = """
import sys
from pathlib import Path
from stackkit.report.report import reserved
with reserved(Path(sys.argv[1]), overwrite=False):
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_refused_while_another_process_writes_to_its_folder(
    stackkit: Command, tmp_path: Path, home: Path
) -> None:
    root, out = photographs(tmp_path / "birds", a=4, b=4), tmp_path / "out"
    holding = [sys.executable, "-c", HOLDING, out]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(holding, env=variables(), **pipes) as other:
        assert other.stdout
        assert other.stdout.readline() == b"holding\n"
        for words in ((), ("--overwrite",)):
            outcome = stackkit("run", *chosen(root), "--out", out, *words)
            assert outcome.code == 2
            assert f"another run is writing to --out {out}; choose another --out" in outcome.error
        assert not (home / "features").exists()
        other.kill()
    assert stackkit("run", *chosen(root), "--out", out).code == 0
    names = {FILE_NAME, "outcomes.npz", "predictions.csv", "probabilities.h5"}
    assert {each.name for each in out.iterdir()} == names


def test_of_two_runs_in_one_process_the_second_is_refused(tmp_path: Path) -> None:
    with (
        reserved(tmp_path, overwrite=True),
        pytest.raises(UsageError, match="another run"),
        reserved(tmp_path, overwrite=True),
    ):
        pass
    with reserved(tmp_path, overwrite=False):
        pass


def test_a_result_is_shown_even_if_its_report_cannot_be_written(
    stackkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = photographs(tmp_path / "birds", a=4, b=4), tmp_path / "out"
    real = Comparison.run

    def replace_the_folder(self: Comparison) -> list[Result]:
        results = real(self)
        (out / FILE_NAME).mkdir()  # now nothing can take this place
        return results

    monkeypatch.setattr(Comparison, "run", replace_the_folder)
    outcome = stackkit("run", *chosen(root), "--out", out, "--json")
    assert outcome.code != 0
    assert f"another run has written {out / FILE_NAME}" in outcome.err.splitlines()[-1]
    assert json.loads(outcome.out)["results"]
