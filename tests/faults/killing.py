"""Kill real extractions at random instants, and look after each kill at what is left.

    python tests/faults/killing.py --images photographs --kills 2000

Every child process extracts the same photographs with two small real backbones into one store, and
gets SIGKILL at a random instant: while a file is laid out, filled from an older one, renamed, or while
rows are committed. After every kill each row that is stored must be right, and none that was stored
may be lost; when all rows are there they must equal, byte for byte, those of an undisturbed extraction,
and a new store is begun. Prints what was seen as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "docs/examples/stackkit-colour-histogram/src"))

from stackkit_colour_histogram.backbone import ColourHistogram  # noqa: E402

from stackkit.api.reporter import SilentReporter  # noqa: E402
from stackkit.extraction.backbone import CheckedBackbone  # noqa: E402
from stackkit.extraction.extract import extract, fingerprints  # noqa: E402
from stackkit.store import FeatureStore  # noqa: E402
from stackkit.store.catalogue import entries, leftovers, row_states  # noqa: E402
from stackkit.store.rows import read_rows  # noqa: E402
from stackkit_plugins.image_folder.dataset import ImageFolder  # noqa: E402

BINS = (4, 8)
RUNS_PER_ORIGIN = 3
"""So many runs share a provenance; the next creates its files again and copies all rows."""


@dataclass
class Seen:
    """Where the kills fell, and what was left."""

    seed: int
    kills: int = 0
    stores_finished: int = 0
    states: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Extraction:
    """One and the same extraction, to be run in child processes."""

    def __init__(self, images: Path) -> None:
        self.dataset = ImageFolder(images)
        self.rows, failed = fingerprints("photographs", self.dataset, SilentReporter())
        assert not failed
        self.starts = 0

    def start(self, folder: Path) -> int:
        """Fork a child that extracts into `folder`; returns its process id."""
        self.starts += 1
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            extract(self.dataset, self.rows, self._backbones(), FeatureStore(folder), SilentReporter())
            code = 0
        finally:
            os._exit(code)

    def _backbones(self) -> list[CheckedBackbone]:
        origin = {"component": {"distribution": "example"}, "origin": self.starts // RUNS_PER_ORIGIN}
        return [
            CheckedBackbone(
                label=f"bins={bins}",
                qualified_name="example/colour-histogram",
                backbone=ColourHistogram(bins=bins),
                provenance=origin,
            )
            for bins in BINS
        ]


def stored(folder: Path) -> dict[str, dict[int, bytes]]:
    """Features as bytes of every intact row of every file, by the folder of its setting."""
    found = {}
    for entry in entries(folder):
        assert entry.contents, entry.problem
        numbers = row_states(entry.contents).intact
        with entry.path.open("rb", buffering=0) as file:
            rows = {
                row: read_rows(file, entry.contents.layout, row, row + 1)[1].tobytes() for row in numbers
            }
        found[entry.path.parent.name] = rows
    return found


def kill_again_and_again(images: Path, scratch: Path, kills: int, seed: int) -> Seen:
    """Kill `kills` extractions below `scratch`; raises AssertionError at the first wrong or lost row."""
    begun, draw, seen = time.monotonic(), random.Random(seed), Seen(seed=seed)
    extraction = Extraction(images)
    calm, folder = scratch / "calm", scratch / "killed"
    started = time.monotonic()
    assert os.waitpid(extraction.start(calm), 0)[1] == 0
    usual = time.monotonic() - started
    truth, kept = stored(calm), dict[str, dict[int, bytes]]()
    while seen.kills < kills:
        child = extraction.start(folder)
        time.sleep(draw.uniform(0, usual))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) or status == 0, status
        seen.kills += os.WIFSIGNALED(status)
        seen.states[_state(folder, truth)] += os.WIFSIGNALED(status)
        kept = _checked(folder, kept, truth)
        if kept == truth:
            seen.stores_finished += 1
            shutil.rmtree(folder)
            kept = {}
    assert os.waitpid(extraction.start(folder), 0)[1] == 0
    assert stored(folder) == truth
    assert leftovers(folder) == []
    seen.seconds = round(time.monotonic() - begun, 1)
    return seen


def _state(folder: Path, truth: dict[str, dict[int, bytes]]) -> str:
    if leftovers(folder):
        return "while a file was made"
    rows = sum(entry.stored for entry in entries(folder))
    if rows == sum(map(len, truth.values())):
        return "when all rows were there"
    return "between the first and the last row" if rows else "before the first row"


def _checked(
    folder: Path, before: dict[str, dict[int, bytes]], truth: dict[str, dict[int, bytes]]
) -> dict[str, dict[int, bytes]]:
    """What is stored now: nothing that was there before is lost, and everything is right."""
    now = stored(folder)
    for setting, rows in before.items():
        assert rows.items() <= now[setting].items(), f"{setting} lost rows"
    for setting, rows in now.items():
        assert rows.items() <= truth[setting].items(), f"{setting} has wrong rows"
    assert len(leftovers(folder)) <= len(BINS)
    return now


def main() -> None:
    """Kill as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder with a folder per class")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        seen = kill_again_and_again(options.images, Path(scratch), options.kills, options.seed)
    print(json.dumps(vars(seen)))


if __name__ == "__main__":
    main()
