"""`--executor` chooses where a command computes; it is started when it is needed, and always closed."""

import shutil
from pathlib import Path

import pytest
from support.commands import HISTOGRAM, Command, chosen
from support.installing import Site

from stackkit.cli.completion import complete_components

FARM = """
    import os
    from concurrent.futures import Future
    from pathlib import Path
    from stackkit.api import ExecutorError, ExecutorSpec, Option, hookimpl

    @hookimpl
    def stackkit_executors():
        address = Option(name="address", default=None, type=str, help="")
        farm = ExecutorSpec(name="farm", summary="", factory="farm:Farm", options=(address,))
        broken = ExecutorSpec(name="half-done", summary="", factory="farm:HalfDone")
        remote = ExecutorSpec(
            name="remote", summary="", factory="farm:Farm", requires=("no-such-engine>=2",),
            install="pip install 'farm[remote]'",
        )
        return [farm, broken, remote]

    def note(text):
        with open(os.environ["FARM_LOG"], "a") as file:
            print(text, file=file)

    class Farm:
        in_process, n_workers, threads = True, 3, None

        def __init__(self, address):
            note(f"opened {address}")
            if address == "nowhere":
                raise ExecutorError("no scheduler at nowhere; start one with `farm start`")

        def submit(self, function, /, *arguments):
            future = Future()
            future.set_result(function(*arguments))
            return future

        def share(self, value):
            return value

        def on_each_worker(self, function, /, *arguments):
            return {"farm": self.submit(function, *arguments)}

        def close(self):
            note("closed")

    class HalfDone:
        n_workers = 1
        def submit(self): pass
"""


@pytest.fixture
def log(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the executor `farm` notes: that it was opened, and that it was closed."""
    site.install("farm", FARM)
    monkeypatch.setenv("FARM_LOG", str(tmp_path / "farm.log"))
    (tmp_path / "farm.log").touch()
    return tmp_path / "farm.log"


ADDRESS = "tcp://10.0.0.1:8786"


@pytest.mark.parametrize("command", ["run", "extract", "audit"])
def test_a_command_opens_its_executor_once_and_closes_it(
    command: str, stackkit: Command, bird_folder: Path, log: Path
) -> None:
    arguments = [*chosen(bird_folder, HISTOGRAM), "--executor", f"farm:address={ADDRESS}"]
    outcome = stackkit(command, *arguments, "--json")
    assert outcome.code == 0, outcome.err
    assert log.read_text() == f"opened {ADDRESS}\nclosed\n"
    if command == "run":
        assert outcome.document["executor"] == {
            "name": "farm",
            "distribution": "farm",
            "version": "1.0",
            "workers": 3,
        }
        assert "executor" not in outcome.document["recipe"]["command"], "figures do not depend on it"
        local = stackkit(command, *chosen(bird_folder, HISTOGRAM), "--json").document
        assert local["executor"]["name"] == "local"
        assert local["results"] == outcome.document["results"]
        evaluated = stackkit("evaluate", *chosen(bird_folder, HISTOGRAM), "--executor", "farm", "--json")
        assert evaluated.document["executor"]["name"] == "farm"


def test_a_dry_run_starts_no_workers(stackkit: Command, bird_folder: Path, log: Path) -> None:
    outcome = stackkit("run", *chosen(bird_folder, HISTOGRAM), "--executor", "farm", "--dry-run")
    assert outcome.code == 0, outcome.err
    assert log.read_text() == ""


def test_an_executor_is_closed_after_an_error_too(
    stackkit: Command, bird_folder: Path, log: Path, tmp_path: Path
) -> None:
    birds = shutil.copytree(bird_folder, tmp_path / "birds")
    next(birds.rglob("*.jpg")).write_bytes(b"no image")
    outcome = stackkit("extract", *chosen(birds, HISTOGRAM), "--executor", "farm", "--strict")
    assert outcome.code == 9
    assert log.read_text() == "opened None\nclosed\n"


@pytest.mark.parametrize(
    ("executor", "code", "text"),
    [
        (
            "pool",
            2,
            "unknown executor 'pool'; available: dask, farm, half-done, remote, local, processes",
        ),
        ("farm:adress=x", 2, "farm has no option 'adress'; did you mean address?"),
        ("farm,local", 2, "expected exactly one executor; 'farm,local' selects 2"),
        ("farm:address=nowhere", 12, "no scheduler at nowhere; start one with `farm start`"),
        ("remote", 4, "remote needs no-such-engine>=2; run: pip install 'farm[remote]'"),
        (
            "half-done",
            4,
            "farm/half-done (farm 1.0) failed: TypeError: HalfDone has no in_process, threads, share, "
            "on_each_worker, close, which executors need",
        ),
    ],
)
def test_an_executor_that_cannot_be_used_is_refused_in_one_line(
    executor: str, code: int, text: str, stackkit: Command, bird_folder: Path, log: Path, home: Path
) -> None:
    outcome = stackkit("run", *chosen(bird_folder, HISTOGRAM), "--executor", executor)
    assert (outcome.code, outcome.err.splitlines()[-1].removeprefix("error: ")) == (code, text)
    assert not (home / "features").exists()


def test_jobs_belong_to_this_process(stackkit: Command, bird_folder: Path) -> None:
    outcome = stackkit("run", *chosen(bird_folder, HISTOGRAM), "--executor", "processes", "--jobs", "2")
    assert outcome.code == 2
    assert "--jobs 2 is for --executor local; processes fits one classifier on each" in outcome.err


def test_the_shell_completes_executors_and_their_options(log: Path) -> None:
    complete = complete_components("executor", several=False)
    assert {"dask", "farm", "local", "processes"} <= set(complete(""))
    assert "farm:address=" in complete("farm:")
