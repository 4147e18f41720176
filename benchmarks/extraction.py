"""Compare three ways to extract features from the same real images.

    python benchmarks/extraction.py --images ../shared/data/CUB_200_2011/images --count 256
    python benchmarks/extraction.py --images FOLDER --backbones 'efficientnet-lite*' --count 1000
    python benchmarks/extraction.py --images FOLDER --memory 500,5000

(a) plain Keras: load_img, img_to_array, preprocess_input and predict_on_batch, one network after the
other. XLA is off: Keras enables it by default, but it is slower here (--xla leaves it on).
(b) `stackkit extract` with engine=tensorflow.
(c) `stackkit extract` with engine=auto.

The ways take turns, each in a separate process with an empty feature store. Times are those of whole
processes, including imports and building the networks. The engine trial of (c) runs once per machine;
its time is printed separately. Ratios compare runs of the same round, so that background load affects
all ways equally. Without the ImageNet weights, use random ones: the arithmetic is the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECIPE = "vgg19,resnet50,inception-v3,xception"
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run: wall time in s, peak resident memory in bytes, features (n, d) by backbone."""

    seconds: float
    peak_bytes: int
    features: dict[str, NDArray[np.float32]]


def main() -> None:
    """Measure and print tables."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="stackkit-benchmark-") as scratch:
        bench = Bench(Path(scratch), options.images, options.backbones, options.weights, options.xla)
        if options.memory:
            bench.memory([int(count) for count in options.memory.split(",")])
        else:
            bench.speed(options.count, options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images", type=Path, required=True, help="folder with JPEG files, searched recursively"
    )
    parser.add_argument("--backbones", default=RECIPE, help=f"as for stackkit; default: {RECIPE}")
    parser.add_argument("--weights", default="random", help="weights of the keras.applications models")
    parser.add_argument("--count", type=int, default=256, help="number of images")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs of each way")
    parser.add_argument("--xla", action="store_true", help="leave XLA on in (a), as Keras does")
    parser.add_argument("--memory", help="only peak memory of (c), at numbers of images: 500,5000")
    return parser.parse_args()


class Bench:
    """Run every way on the same images and networks."""

    def __init__(
        self, scratch: Path, images: Path, backbones: str, weights: str, xla: bool = False
    ) -> None:
        self.scratch = scratch
        self.found = sorted(images.rglob("*.jpg"))
        if len(self.found) < 2:
            raise SystemExit(f"{images} must contain at least 2 *.jpg files, got {len(self.found)}")
        self.names = _names(backbones)
        self.weights = weights
        self.xla = xla

    def speed(self, count: int, rounds: int) -> None:
        """Print images per second, ratios, memory, and differences between the features."""
        folder = self.folder(count)
        print(f"{count} images, {', '.join(self.names)}, {rounds} rounds, {os.cpu_count()} cores")
        start = time.perf_counter()
        self.stackkit(folder, "auto")
        print(f"first run of (c), including the engine trial: {time.perf_counter() - start:.1f} s")
        print(f"engines of (c): {_engines(self.scratch / 'store')}\n", flush=True)
        ways: dict[str, list[Outcome]] = {"a": [], "b": [], "c": []}
        for number in range(rounds):
            ways["a"].append(self._plain(folder))
            ways["b"].append(self.stackkit(folder, "tensorflow"))
            ways["c"].append(self.stackkit(folder, "auto"))
            seconds = ", ".join(f"{way} {runs[-1].seconds:.1f} s" for way, runs in ways.items())
            print(f"round {number + 1}: {seconds}", flush=True)
        _print_ways(ways, count)
        self._print_peak(ways, count)

    def memory(self, counts: Sequence[int]) -> None:
        """Print the peak memory of (c) after its engine trial."""
        self.stackkit(self.folder(64), "auto")
        for count in counts:
            outcome = self.stackkit(self.folder(count), "auto")
            rate = count / outcome.seconds
            print(
                f"{count} images: {outcome.peak_bytes / 1e9:.2f} GB, {rate:.1f} images/s "
                f"({len(self.names)} networks)",
                flush=True,
            )

    def folder(self, count: int) -> Path:
        """Create an image folder of two classes; copies get a few more bytes, so all files differ."""
        root = self.scratch / f"images-{count}"
        if root.is_dir():
            return root
        step = max(len(self.found) // count, 1)
        chosen = self.found[::step]
        for number in range(count):
            name = root / f"class{number % 2}" / f"{number:06d}.jpg"
            name.parent.mkdir(parents=True, exist_ok=True)
            content = chosen[number % len(chosen)].read_bytes()
            name.write_bytes(content + number.to_bytes(4, "big") if number >= len(chosen) else content)
        return root

    def _texts(self, engine: str) -> list[str]:
        return [
            f"{name}:engine={engine}" + ("" if "lite" in name else f",weights={self.weights}")
            for name in self.names
        ]

    def stackkit(self, folder: Path, engine: str) -> Outcome:
        """Run (b) or (c): `stackkit extract` with an empty store."""
        # With a separate home, earlier engine trials on this machine, perhaps under load, do not count.
        os.environ["STACKKIT_HOME"] = str(self.scratch / "home")
        store = self.scratch / "store"
        shutil.rmtree(store, ignore_errors=True)
        command = ["-m", "stackkit", "extract", "--dataset", f"image-folder:root={folder}"]
        for text in self._texts(engine):
            command += ["--backbones", text]
        seconds, peak = run_process([*command, "--store", str(store)])
        return Outcome(seconds=seconds, peak_bytes=peak, features=_stored(store, self.names))

    def _plain(self, folder: Path) -> Outcome:
        out = self.scratch / "plain.npz"
        work = json.dumps(
            {
                "folder": str(folder),
                "backbones": self._texts("tensorflow"),
                "out": str(out),
                "xla": self.xla,
            }
        )
        seconds, peak = run_process([__file__, "--plain", work])
        with np.load(out) as features:
            return Outcome(seconds=seconds, peak_bytes=peak, features=dict(features))

    def _print_peak(self, ways: dict[str, list[Outcome]], count: int) -> None:
        words = _answer([__file__, "--flops", json.dumps(self._texts("tensorflow"))])
        flops = json.loads(words.splitlines()[-1])
        peak = _gemm()
        print(f"\nshare of the peak of a matrix product, {peak / 1e9:.0f} GFLOP/s, including the start:")
        for way, runs in ways.items():
            rate = sum(flops) * count / statistics.median(run.seconds for run in runs)
            print(f"  ({way}) {rate / 1e9:.0f} GFLOP/s, {100 * rate / peak:.0f} %")
        counts = [f"{n} {f / 1e9:.1f}" for n, f in zip(self.names, flops, strict=True)]
        print(f"GFLOP per image: {', '.join(counts)}")


def _names(text: str) -> list[str]:
    from stackkit.host.host import load_host
    from stackkit.host.registry import Registry

    return [choice.name for choice in Registry(host=load_host()).several("backbone", [text])]


def _answer(arguments: list[str]) -> str:
    """Return the output of a Python process."""
    return subprocess.check_output([sys.executable, *arguments], text=True)


def run_process(arguments: list[str], *, python: str = sys.executable) -> tuple[float, int]:
    """Run a Python process; return its wall time in s and its peak resident memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen([python, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    words = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(words.decode()[-2000:])
    # Linux reports ru_maxrss in KiB, macOS in bytes.
    return time.perf_counter() - start, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _stored(store: Path, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    import h5py

    found = {}
    for path in store.rglob("*.h5"):
        with h5py.File(path, "r", locking=False) as file:
            assert file["checksums"][:].all()
            found[file.attrs["backbone"].split("/")[-1]] = file["features"][:]
    assert sorted(found) == sorted(names)
    return found


def _engines(store: Path) -> str:
    """Return the engines that computed the features, from the provenance in the store."""
    import h5py

    found = []
    for path in sorted(store.rglob("*.h5")):
        with h5py.File(path, "r", locking=False) as file:
            (origin,) = json.loads(file.attrs["provenance"])
            name, how = file.attrs["backbone"].split("/")[-1], origin["runtime"]
            found.append(f"{name} {how['engine']} (batch {how['batch_size']})")
    return ", ".join(found)


def _print_ways(ways: dict[str, list[Outcome]], count: int) -> None:
    print("\nway   images/s (range)           peak memory   largest difference from (a)")
    for way, runs in ways.items():
        rates = sorted(count / run.seconds for run in runs)
        rate = f"{statistics.median(rates):.2f} ({rates[0]:.2f} to {rates[-1]:.2f})"
        peak = max(run.peak_bytes for run in runs) / 1e9
        found, expected = runs[-1].features, ways["a"][-1].features
        far = max(_difference(found[name], expected[name]) for name in found)
        print(f"({way})   {rate:<25}  {peak:.2f} GB       {far:.0e}")
    print("\nratio of speed (range over rounds)")
    for faster, slower in (("b", "a"), ("c", "a"), ("c", "b")):
        ratios = [x.seconds / y.seconds for x, y in zip(ways[slower], ways[faster], strict=True)]
        span = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{faster}/{slower}   {statistics.median(ratios):.2f} ({span})")


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest norm of the difference of two rows, relative to the norm of the row."""
    return float((np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def _gemm(size: int = 2048, rounds: int = 8) -> float:
    """Measure a float32 matrix product of NumPy; return operations per second of the best round."""
    left, right = np.ones((2, size, size), np.float32)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def _backbone(text: str) -> Any:
    from stackkit.host.host import load_host
    from stackkit.host.registry import Registry

    return Registry(host=load_host()).one("backbone", text).create()


def _networks(texts: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """Yield stackkit's backbone, which defines size and preprocessing, and its Keras network."""
    from stackkit_plugins.shared.keras_network import import_keras
    from stackkit_plugins.shared.keras_network.weights import draw_weights

    import_keras()
    for text in texts:
        backbone = _backbone(text)
        model = backbone.definition.build_model()
        if not backbone.trained:
            draw_weights(model, backbone.definition.weights.seed)
        yield backbone, model


def plain(work: dict[str, Any]) -> None:
    """Run (a): what a careful user of Keras writes. Save the features, rows sorted by file name."""
    from keras.utils import img_to_array, load_img

    files = sorted(Path(work["folder"]).rglob("*.jpg"))
    features = {}
    for backbone, model in _networks(work["backbones"]):
        if not work["xla"]:
            model.jit_compile = False
        size = (backbone.image_size, backbone.image_size)
        rows = []
        for start in range(0, len(files), BATCH):
            images = [
                img_to_array(load_img(file, target_size=size, interpolation="bilinear"))
                for file in files[start : start + BATCH]
            ]
            rows.append(model.predict_on_batch(backbone.definition.preprocess(np.stack(images))))
        features[backbone.name] = np.concatenate(rows)
    np.savez(work["out"], **features)


def flops(texts: Sequence[str]) -> None:
    """Print the floating-point operations per image of each network, counted in its graph."""
    counts = []
    for backbone, model in _networks(texts):
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        size = backbone.image_size
        one = tf.TensorSpec((1, size, size, 3), tf.float32)
        function = tf.function(
            lambda x, m=model, p=backbone.definition.preprocess: m(p(x), training=False)
        )
        frozen = convert_variables_to_constants_v2(function.get_concrete_function(one))
        profile = tf.compat.v1.profiler
        counted = profile.ProfileOptionBuilder(profile.ProfileOptionBuilder.float_operation())
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(frozen.graph.as_graph_def(), name="")
            result = profile.profile(graph, options=counted.with_empty_output().build())
        counts.append(result.total_float_ops)
    print(json.dumps(counts))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        plain(json.loads(sys.argv[2]))
    elif sys.argv[1:2] == ["--flops"]:
        flops(json.loads(sys.argv[2]))
    else:
        main()
