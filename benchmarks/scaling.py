"""Measure how cost grows with images and workers, one section at a time or all of them.

    python benchmarks/scaling.py speedup --images CUB_200_2011
    python benchmarks/scaling.py overhead
    python benchmarks/scaling.py memory --counts 1000,10000,100000,1000000
    python benchmarks/scaling.py writer
    python benchmarks/scaling.py listing --rows 1000000
    python benchmarks/scaling.py shards

`speedup` passes photographs through a real network; `overhead` and `memory` use generated images and a
cheap stand-in for a network (benchmarks/generated_images.py); `writer`, `listing` and `shards` write
random features. Every table has the alternative that it is compared with, measured in the same call.
Times are medians of --repeats; `speedup` begins with a run that is not measured, which converts the
network. Run it on a machine that does nothing else. Stores are made in a temporary folder (--folder
chooses the disk) and removed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from stackkit.api import Sample
from stackkit.store import BackboneKey, DatasetRows, FeatureStore
from stackkit.store.catalogue import entries
from stackkit.store.metadata import read_contents
from stackkit.store.shards import Shard

PLUGIN = Path(__file__).with_name("generated_images.py")
EXECUTORS = ("local", "processes:workers=1", "processes:workers=2", "dask:workers=2")
WIDTH = 1280
CHUNK = 512
"""Rows that are committed, and synced to the disk, at a time."""

ONE_CORE = "local, one core"

MEASURED = """
import os, resource, sys, time
if os.environ.get("ONE_CORE"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from stackkit.cli.main import main
start = time.perf_counter()
try:
    code = main(sys.argv[1:])
except SystemExit as error:
    code = error.code
who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
usage = [resource.getrusage(each).ru_maxrss / 1024 for each in who]
print("MEASURED", time.perf_counter() - start, *usage, code or 0, file=sys.stderr)
"""


def table(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n\n| {' | '.join(headings)} |\n|{' --- |' * len(headings)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that it takes, and what it returns."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def extraction(
    folder: Path, *options: str, executor: str, plugin: Path | None = None
) -> tuple[float, float, float]:
    """Return seconds, and the peak memory of the driver and of its largest child in MB."""
    chosen = [*options, "--executor", executor.partition(",")[0]]
    environment = {**os.environ, **({"ONE_CORE": "1"} if executor == ONE_CORE else {})}
    with tempfile.TemporaryDirectory(dir=folder) as store:
        loaded = ["--plugin", str(plugin)] if plugin else []
        command = [sys.executable, "-c", MEASURED, *loaded, "extract", *chosen, "--store", store]
        done = subprocess.run(
            [*command, "--progress", "none"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
    last = [line.split() for line in done.stderr.splitlines() if line.startswith("MEASURED")]
    if not last or last[-1][-1] != "0":
        raise SystemExit(f"{' '.join(options)} failed: {done.stderr[-2000:]}")
    seconds, own, children = map(float, last[-1][1:4])
    return seconds, own, children


def speedup(options: argparse.Namespace) -> None:
    """Compare executors with one core on photographs and a real network, with and without start-up."""

    def measured(executor: str, limit: int) -> float:
        dataset = f"cub200:root={options.images},limit={limit}"
        chosen = ("--dataset", dataset, "--backbones", options.backbones)
        return extraction(options.folder, *chosen, executor=executor)[0]

    measured(ONE_CORE, options.limit)  # converts the network and fills the cache of the disk
    rows, first = [], (0.0, 0.0)
    for executor in (ONE_CORE, *options.executors.split(",")):
        less, more = (
            [measured(executor, limit) for _ in range(options.repeats)] for limit in (1, options.limit)
        )
        whole, further = median(more), median(more) - median(less)
        first = (whole, further) if executor == ONE_CORE else first
        spread = f"{min(more):.1f} to {max(more):.1f}"
        ratios = [f"{first[0] / whole:.2f}", f"{first[1] / further:.2f}"]
        rows.append((executor, f"{median(less):.1f}", f"{whole:.1f}", spread, *ratios))
    names = ("s for 1 photograph of each class", f"s for {options.limit}", "range")
    headings = ("executor", *names, "speed-up over one core", "without start-up")
    table(f"Extraction of photographs on {os.cpu_count()} cores", headings, rows)


def generated(folder: Path, count: int, executor: str) -> tuple[float, float, float]:
    """Measure an extraction of `count` generated images with the stand-in network."""
    chosen = ("--dataset", f"generated-images:count={count}", "--backbones", "stand-in")
    dtype = ("--feature-dtype", "float16")
    return extraction(folder, *chosen, *dtype, executor=executor, plugin=PLUGIN)


def overhead(options: argparse.Namespace) -> None:
    """Measure the time per image that is not the network's, from two numbers of images."""
    few, many, rows = 2_000, 22_000, []
    for executor in options.executors.split(","):
        less, more = (
            median(generated(options.folder, count, executor)[0] for _ in range(options.repeats))
            for count in (few, many)
        )
        rows.append((executor, f"{less:.1f}", f"{(more - less) / (many - few) * 1e3:.3f}"))
    headings = ("executor", f"s for {few:,} images", "ms per further image")
    table("Cost per image without reading and networks (stand-in network)", headings, rows)


def memory(options: argparse.Namespace) -> None:
    """Measure peak memory by number of images."""
    rows = []
    for executor in options.executors.split(","):
        for count in map(int, options.counts.split(",")):
            seconds, own, child = generated(options.folder, count, executor)
            rows.append((executor, f"{count:,}", f"{own:,.0f}", f"{child:,.0f}", f"{seconds:.0f}"))
    headings = ("executor", "images", "driver, MB", "largest child process, MB", "s")
    table("Peak memory (generated images, stand-in network)", headings, rows)


def rows_of(count: int) -> DatasetRows:
    """Return the rows of a dataset with names and fingerprints of usual lengths."""
    return DatasetRows(
        dataset="image-folder:root=made-up",
        classes=[f"n{label:08}" for label in range(1000)],
        samples=[Sample(id=f"n{i % 1000:08}/{i:08}.jpg", label=i % 1000) for i in range(count)],
        fingerprints=[f"{i:032x}" for i in range(count)],
    )


def key_of(width: int) -> BackboneKey:
    """Return a made-up backbone setting."""
    return BackboneKey(name="x/net", revision="1", image_size=224, feature_dim=width, trained=True)


def fill(folder: Path, rows: DatasetRows, chunk: int = CHUNK) -> float:
    """Write all rows; return the seconds of the writes, without the creation of the file."""
    block = np.random.default_rng(0).normal(size=(chunk, WIDTH)).astype(np.float32)
    with FeatureStore(folder, "float16").open(key_of(WIDTH), rows, {"by": "benchmark"}) as file:
        start = time.perf_counter()
        for first in range(0, len(rows.samples), chunk):
            numbers = range(first, min(first + chunk, len(rows.samples)))
            file.write(numbers, block[: len(numbers)])
        return time.perf_counter() - start


def writer(options: argparse.Namespace) -> None:
    """Measure rows per second of one writer by the rows that it commits at a time."""
    results = []
    for chunk in (1, 32, 512, 4096):
        rows = rows_of(min(options.rows, 200 * chunk))
        seconds = []
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                seconds.append(fill(Path(folder), rows, chunk))
        rate = len(rows.samples) / median(seconds)
        results.append((chunk, f"{rate:,.0f}", f"{rate * WIDTH * 2 / 1e6:,.1f}"))
    headings = ("rows per commit (one fsync)", "rows/s", "MB/s")
    table(f"One writer, {WIDTH} features as float16", headings, results)


def listing(options: argparse.Namespace) -> None:
    """Measure the time to create, list, open and read the metadata of a large file."""
    results: list[tuple[str, str]] = []
    for count in (options.rows // 100, options.rows):
        rows, key = rows_of(count), key_of(16)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            store = FeatureStore(Path(folder), "float16")

            def opened(store: FeatureStore = store, rows: DatasetRows = rows) -> None:
                store.open(key_of(16), rows, {"by": "benchmark"}).close()

            path = Path(folder)
            steps: dict[str, Callable[[], Any]] = {
                "create": opened,
                "list": lambda path=path: entries(path),
                "metadata without texts": lambda path=path: read_contents(next(path.glob("*/*.h5"))),
                "texts of all rows": lambda path=path: read_contents(next(path.glob("*/*.h5"))).rows,
                "open to write": opened,
                "pending rows": lambda store=store, rows=rows, key=key: store.pending(key, rows),
            }
            results += [
                (f"{name}, {count:,} rows", f"{timed(step)[0]:.2f}") for name, step in steps.items()
            ]
    table("One feature file", ("step", "s"), results)


def _fill_shard(folder: Path, rows: DatasetRows, part: int, of: int) -> None:
    fill(folder, rows.part(Shard(part=part, of=of, listing=rows.listing)))


def shards(options: argparse.Namespace) -> None:
    """Compare four processes that write four shards with one process that writes a plain file."""
    rows = rows_of(min(options.rows, 200_000))
    results = []
    for of in (1, 4) * options.repeats:  # in turns, as a disk may become slower meanwhile
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            parts = [(folder, rows, part, of) for part in range(1, of + 1)]
            context = multiprocessing.get_context("fork")
            processes = [
                context.Process(target=_fill_shard, args=each)
                if of > 1
                else context.Process(target=fill, args=(folder, rows))
                for each in parts
            ]
            start = time.perf_counter()
            for process in processes:
                process.start()
            for process in processes:
                process.join()
            seconds = time.perf_counter() - start
            left = len(FeatureStore(folder, "float16").pending(key_of(WIDTH), rows))
            results.append((of, f"{len(rows.samples) / seconds:,.0f}", f"{seconds:.1f}", left))
    headings = ("writers", "rows/s", "s, creation included", "rows left")
    table(f"{len(rows.samples):,} rows on {os.cpu_count()} cores", headings, results)


SECTIONS = {each.__name__: each for each in (speedup, overhead, memory, writer, listing, shards)}


def main() -> None:
    """Measure the sections that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument(
        "--images", type=Path, default=Path("CUB_200_2011"), help="folder of CUB-200-2011"
    )
    parser.add_argument("--limit", type=int, default=60, help="photographs of each class")
    parser.add_argument("--backbones", default="efficientnet-lite0")
    parser.add_argument("--repeats", type=int, default=3, help="of which times are medians")
    parser.add_argument("--executors", default=",".join(EXECUTORS))
    parser.add_argument("--counts", default="1000,10000,100000", help="numbers of generated images")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.sections or SECTIONS:
        SECTIONS[name](options)


if __name__ == "__main__":
    main()
