"""Measure what a first run costs beyond the second: converting networks for an engine.

    python benchmarks/first_run.py --dataset image-folder:root=FOLDER --backbones 'efficientnet-lite*'
    python benchmarks/first_run.py --dataset mnist:limit=10 --backbones mobilenet:weights=random

The first run has an empty STACKKIT_HOME and an empty store; the second one has the engines of the
first and an empty store again, and with --rounds more such pairs follow. Seconds are those of whole
processes. CPU seconds (user and system, with all child processes) are nearly the same on a busy
machine. "tensorflow" says whether the process that extracts has imported it. The last column of the
second run compares it with what cannot be avoided: the imports of `stackkit run` and the time in the
networks as the run itself estimates it.

The last line is a JSON object with everything that was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

IMPORTS = "import stackkit.cli.main, stackkit.experiment.run, openvino"
# Runs `-m MODULE ...` or `-c CODE` and says at the end whether TensorFlow was imported.
WATCHED = """
import atexit, runpy, sys
atexit.register(lambda: sys.stderr.write(f"\\nimported {'tensorflow' in sys.modules}\\n"))
how, what, *sys.argv[1:] = sys.argv[1:]
exec(what) if how == "-c" else runpy.run_module(what, run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One process: wall time and CPU time in s, whether it imported TensorFlow, networks it converted.

    `network_s` is the time in the networks that the run estimates, None if it does not.
    """

    wall_s: float
    cpu_s: float
    tensorflow: bool
    converted: int
    network_s: float | None


def main() -> None:
    """Measure, and print a line for each run, the ratios, and the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True, help="as for stackkit run")
    parser.add_argument("--backbones", required=True, help="as for stackkit run")
    parser.add_argument("--rounds", type=int, default=1, help="number of pairs of runs")
    options = parser.parse_args()
    firsts, seconds = [], []
    with tempfile.TemporaryDirectory(prefix="stackkit-first-run-") as name:
        scratch = Path(name)
        imports = _measure(["-c", IMPORTS], scratch)
        _print("imports", imports)
        arguments = ["--dataset", options.dataset, "--backbones", options.backbones]
        for _ in range(options.rounds):
            shutil.rmtree(scratch / "home", ignore_errors=True)
            firsts.append(_run(arguments, scratch))
            _print("first", firsts[-1])
            seconds.append(_run(arguments, scratch))
            _print("second", seconds[-1])
    ratios = {
        "first / second": [_ratio(a, b) for a, b in zip(firsts, seconds, strict=True)],
        "second / (imports + networks)": [
            {"wall": run.wall_s / (imports.wall_s + run.network_s)} for run in seconds if run.network_s
        ],
    }
    for text, found in ratios.items():
        for unit in found[0] if found else ():
            print(f"{text}, {unit}: {statistics.median(each[unit] for each in found):.2f}")
    runs = {"imports": asdict(imports), "first": list(map(asdict, firsts))}
    print(json.dumps({**vars(options), **runs, "second": list(map(asdict, seconds)), "ratios": ratios}))


def _run(arguments: list[str], scratch: Path) -> Measured:
    shutil.rmtree(scratch / "store", ignore_errors=True)
    store = ["--store", str(scratch / "store"), "--progress", "lines"]
    return _measure(["-m", "stackkit", "run", *arguments, *store], scratch)


def _measure(arguments: list[str], scratch: Path) -> Measured:
    home = scratch / "home"
    environment = {**os.environ, "STACKKIT_HOME": str(home)}
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    cpu = sum(
        getattr(after, field) - getattr(before, field) for field in ("children_user", "children_system")
    )
    estimates = re.findall(r"^estimate .*: ([\d,]+) images at ([\d,.]+)/s", done.stderr, re.MULTILINE)
    numbers = [[float(text.replace(",", "")) for text in pair] for pair in estimates]
    return Measured(
        wall_s=wall,
        cpu_s=cpu,
        tensorflow="\nimported True\n" in done.stderr,
        converted=done.stderr.count(" once on this machine; "),
        network_s=sum(count / speed for count, speed in numbers) or None,
    )


def _print(what: str, run: Measured) -> None:
    tensorflow = "imported" if run.tensorflow else "not imported"
    print(
        f"{what:<8} {run.wall_s:6.1f} s, {run.cpu_s:6.1f} CPU s, {run.converted} networks converted, "
        f"tensorflow {tensorflow}",
        flush=True,
    )


def _ratio(first: Measured, second: Measured) -> dict[str, float]:
    return {"wall": first.wall_s / second.wall_s, "CPU": first.cpu_s / second.cpu_s}


if __name__ == "__main__":
    main()
