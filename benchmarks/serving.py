"""Measure a server: throughput and times under bounded load, against one request at a time.

Run it on a machine with nothing else to do:

    python benchmarks/serving.py birds.stackkit --images shared/data/CUB_200_2011/images

It starts `stackkit serve` in a process of its own, sends real images as a client would, and prints
throughput, p50 and p95 at several numbers of clients, their ratio to one client, and the server's memory
over `--requests` requests. Every answer is checked: same label for the same image, whatever its batch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

WARMING = 10
LINE = (
    "{clients:3} clients: {images_per_s:6.1f} images/s, ratio {ratio:4.2f}, "
    "p50 {p50_ms:6.0f} ms, p95 {p95_ms:6.0f} ms, {refused} refused"
)


def main() -> None:
    """Measure, and print one line per number of clients, then the memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--images", type=Path, required=True, help="folder of JPEG files")
    parser.add_argument(
        "--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="ratios: to the first"
    )
    parser.add_argument("--seconds", type=float, default=20, help="per number of clients")
    parser.add_argument("--requests", type=int, default=5000, help="for the memory; 0 leaves it out")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    given = parser.parse_args()
    contents = [path.read_bytes() for path in sorted(given.images.rglob("*.jpg"))[:200]]
    if not contents:
        parser.error(f"no JPEG files in {given.images}")
    with serving(given.bundle) as (url, process):
        labels: dict[int, str] = {}
        load(url, contents, 2, WARMING, labels)
        rows = [measured(url, contents, clients, given.seconds, labels) for clients in given.clients]
        for row in rows:
            row["ratio"] = row["images_per_s"] / rows[0]["images_per_s"]
            print(LINE.format(**row))
        memory = memory_over(url, contents, given.requests, process, labels) if given.requests else []
    for requests, size in memory:
        print(f"{requests:6} requests: {size / 1e6:.0f} MB")
    if given.json:
        given.json.write_text(json.dumps({"load": rows, "memory": memory}, indent=2))


@contextmanager
def serving(bundle: Path) -> Any:
    """Start the server; yield its URL and its process when it is ready."""
    command = [sys.executable, "-m", "stackkit", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            url, said = "", list[str]()
            for line in server.stderr:
                said.append(line)
                url = (re.findall(r"http://\S+", line) or [url])[0]
                if line == "ready\n":
                    break
            else:
                raise SystemExit(f"the server did not start:\n{''.join(said)}")
            yield url, psutil.Process(server.pid)
        finally:
            server.terminate()


def measured(
    url: str, contents: Sequence[bytes], clients: int, seconds: float, labels: dict[int, str]
) -> dict[str, Any]:
    """Send requests of one image from a number of clients for some seconds."""
    began = time.perf_counter()
    times, refused = load(url, contents, clients, None, labels, until=began + seconds)
    spent = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=20)
    return {
        "clients": clients,
        "images_per_s": len(times) / spent,
        "p50_ms": 1000 * statistics.median(times),
        "p95_ms": 1000 * cuts[-1],
        "refused": refused,
    }


def load(
    url: str,
    contents: Sequence[bytes],
    clients: int,
    count: int | None,
    labels: dict[int, str],
    *,
    until: float = float("inf"),
) -> tuple[list[float], int]:
    """Let each client send one image after another; return the times of answers, and refusals."""
    numbers = itertools.count()  # next() of it is atomic

    def client() -> tuple[list[float], int]:
        times, refused = [], 0
        with httpx.Client(base_url=url, timeout=60) as asking:
            while time.perf_counter() < until:
                number = next(numbers)
                if count is not None and number >= count:
                    break
                which = number % len(contents)
                began = time.perf_counter()
                answer = asking.post("predict", files={"images": ("a.jpg", contents[which])})
                if answer.status_code == 429:
                    refused += 1
                    continue
                label = answer.raise_for_status().json()["predictions"][0]["label"]
                times.append(time.perf_counter() - began)
                if labels.setdefault(which, label) != label:
                    raise SystemExit(f"image {which} is {label}, and was {labels[which]}")
        return times, refused

    with ThreadPoolExecutor(clients) as pool:
        found = [each.result() for each in [pool.submit(client) for _ in range(clients)]]
    return [one for times, _ in found for one in times], sum(refused for _, refused in found)


def memory_over(
    url: str,
    contents: Sequence[bytes],
    requests: int,
    process: psutil.Process,
    labels: dict[int, str],
) -> list[tuple[int, int]]:
    """Return the server's resident bytes after each tenth of the requests."""
    found = [(0, process.memory_info().rss)]
    part = max(1, requests // 10)
    for done in range(part, requests + 1, part):
        load(url, contents, 8, part, labels)
        found.append((done, process.memory_info().rss))
    return found


if __name__ == "__main__":
    main()
