"""Measure networks on a GPU: images per second beside plain torch and plain Keras, and parity.

    python benchmarks/gpu.py --images ../shared/data/CUB_200_2011/images

Each framework that is installed, and sees a GPU, is measured: networks of timm on torch, and networks
of keras.applications on TensorFlow. stackkit's backbone with `device=gpu` and the plain framework
compute the same network with random weights, in passes that take turns. The plain framework gets tensors
that are preprocessed and, for torch, on the GPU already; stackkit gets pixels in main memory.

A line per batch size has the speed of both, their ratio, and how far stackkit's features are from those
of the CPU. With `precision=mixed` it is the difference that a user accepts. Plain torch also runs with
TensorFloat-32, which stackkit disables, to show what it would bring and change. The last line of a
network is the largest amount of the GPU's memory that was in use: what the framework took, not what it
needed.

It takes under ten minutes; `--only torch` or `--only keras` takes one framework. `--device cpu` tries
the script itself on a machine without a GPU, and measures nothing of interest.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from stackkit.api.images import read_image, squash
from stackkit_plugins.shared.keras_network.parity import largest_difference

TIMM = "resnet50,convnextv2_tiny,vit_small_patch14_dinov2,vit_base_patch16_siglip_224"
KERAS = "ResNet50,EfficientNetV2S"
BATCHES = "8,32,128,512"
COMPARED = 32
"""Images whose features are compared with those of the CPU."""


def main() -> None:
    """Print a block of lines per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder with JPEG files")
    parser.add_argument("--only", choices=("torch", "keras"), help="one framework")
    parser.add_argument("--timm", default=TIMM, help=f"names in timm; default: {TIMM}")
    parser.add_argument("--keras", default=KERAS, help=f"names in keras.applications; default: {KERAS}")
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--batches", default=BATCHES, help=f"batch sizes; default: {BATCHES}")
    parser.add_argument("--rounds", type=int, default=3, help="passes of each")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu", help="cpu: try the script")
    options = parser.parse_args()
    batches = [int(text) for text in options.batches.split(",")]
    files = sorted(options.images.rglob("*.jpg"))[: batches[-1]]
    few = np.stack([squash(read_image(file), options.size) for file in files])
    images = np.resize(few, (batches[-1], *few.shape[1:]))
    print(f"{len(few)} different images of {options.size} pixels, {len(images)} per pass")
    for framework, names in ((Torch, options.timm), (Keras, options.keras)):
        if options.only in (None, framework.name):
            if reason := framework.missing(options.device):
                print(f"{framework.name}: not measured, {reason}")
                continue
            for name in names.split(","):
                measure(framework(name, images, options.device), images, batches, options.rounds)


class Torch:
    """One network of timm, as stackkit and as plain timm have it."""

    name = "torch"

    def __init__(self, model: str, images: np.ndarray, device: str) -> None:
        import timm
        import torch

        self.model, self._device = model, device
        # torch allows TensorFloat-32 in convolutions unless told otherwise.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.manual_seed(0)
        fixed = timm.get_pretrained_cfg(model).fixed_input_size
        sized = {"img_size": images.shape[1]} if fixed else {}
        where = "cuda" if device == "gpu" else "cpu"
        self._network = timm.create_model(model, num_classes=0, **sized).eval().to(where)
        config = timm.data.resolve_model_data_config(self._network)
        mean, std = (torch.tensor(config[name]).reshape(1, 3, 1, 1) for name in ("mean", "std"))
        pixels = torch.tensor(images).permute(0, 3, 1, 2).contiguous() / 255
        self._batch = ((pixels - mean) / std).to(where)
        if device == "gpu":
            torch.cuda.reset_peak_memory_stats()

    @staticmethod
    def missing(device: str) -> str:
        """Return why nothing can be measured; "" if it can."""
        if find_spec("torch") is None or find_spec("timm") is None:
            return "torch or timm is not installed"
        import torch

        if device == "gpu" and not torch.cuda.is_available():
            return "torch sees no GPU"
        import timm

        where = torch.cuda.get_device_name() if device == "gpu" else "the CPU"
        print(f"{where}, torch {torch.__version__}, timm {timm.__version__}")
        return ""

    def backbone(self, device: str, batch_size: int, precision: str) -> Any:
        """Return stackkit's backbone with random weights."""
        from stackkit_plugins.timm.backbone import Factory

        network = {"model": self.model, "weights": "random", "tokens": "auto", "seed": 0}
        return Factory(name="timm")(
            **network,
            size=int(self._batch.shape[-1]),
            device=device,
            precision=precision,
            engine="torch",
            threads=0,
            batch_size=batch_size,
        )

    def plain(self, size: int) -> np.ndarray:
        """Return the features of all images, computed for `size` images at a time."""
        import torch

        with torch.inference_mode():
            parts = [self._network(part).float() for part in self._batch.split(size)]
            found: np.ndarray = torch.cat(parts).cpu().numpy()
        return found

    def variants(self) -> dict[str, AbstractContextManager[Any]]:
        """Return contexts in which the plain network computes."""
        import torch

        place = "cuda" if self._device == "gpu" else "cpu"
        return {
            "float32": nullcontext(),
            "TensorFloat-32": TensorFloat32(),
            "bfloat16": torch.autocast(place, dtype=torch.bfloat16),
        }

    def peak_bytes(self) -> int:
        """Return the most memory of the GPU that torch took."""
        import torch

        return int(torch.cuda.max_memory_reserved()) if self._device == "gpu" else 0


class TensorFloat32(AbstractContextManager[None]):
    """Allow 11 bits of significand in products."""

    def __enter__(self) -> None:
        self._allow(True)

    def __exit__(self, *error: object) -> None:
        self._allow(False)

    def _allow(self, allowed: bool) -> None:
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


class Keras:
    """One network of keras.applications, as stackkit and as plain Keras have it."""

    name = "keras"

    def __init__(self, model: str, images: np.ndarray, device: str) -> None:
        from stackkit_plugins.shared.keras_network.runtime import import_keras

        keras = import_keras()  # on TensorFlow, with memory as needed
        self.model, self._device = model, device
        module = getattr(keras.applications, model)
        self._network = module(
            weights=None, include_top=False, pooling="avg", input_shape=images.shape[1:]
        )
        self._batch = images.astype(np.float32)

    @staticmethod
    def missing(device: str) -> str:
        """Return why nothing can be measured; "" if it can."""
        if find_spec("tensorflow") is None:
            return "TensorFlow is not installed"
        from stackkit_plugins.shared.keras_network.runtime import import_keras

        keras = import_keras()
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        if device == "gpu" and not found:
            return "TensorFlow sees no GPU"
        where = tf.config.experimental.get_device_details(found[0]) if device == "gpu" else "the CPU"
        print(f"{where}, TensorFlow {tf.__version__}, Keras {keras.__version__}")
        return ""

    def backbone(self, device: str, batch_size: int, precision: str) -> Any:
        """Return stackkit's backbone with random weights."""
        from stackkit_plugins.keras_applications import backbone

        return getattr(backbone, self.model)(
            weights="random",
            size=self._batch.shape[1],
            pooling="avg",
            seed=0,
            engine="tensorflow",
            device=device,
            precision=precision,
            threads=0,
            batch_size=batch_size,
        )

    def plain(self, size: int) -> np.ndarray:
        """Return the features of all images, computed for `size` images at a time."""
        found: np.ndarray = self._network.predict(self._batch, batch_size=size, verbose=0)
        return found

    def variants(self) -> dict[str, AbstractContextManager[Any]]:
        """Return contexts in which the plain network computes."""
        return {"float32": nullcontext()}

    def peak_bytes(self) -> int:
        """Return the most memory of the GPU that TensorFlow took."""
        import tensorflow as tf

        if self._device == "cpu":
            return 0
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def measure(network: Torch | Keras, images: np.ndarray, batches: list[int], rounds: int) -> None:
    """Compare stackkit on the GPU with its own CPU features, and with the plain framework."""
    few, device, name = images[:COMPARED], network._device, network.model
    on_cpu = network.backbone("cpu", COMPARED, "float32").extract(few)
    precisions = ("float32", "mixed") if device == "gpu" else ("float32",)
    for size in batches:
        plain_rate = rate(partial(network.plain, size), rounds, len(images))
        for precision in precisions:
            ours = network.backbone(device, size, precision)
            ours.prepare(few, print)
            difference = largest_difference(ours.extract(few), on_cpu)
            speed = rate(lambda: ours.extract(images), rounds, len(images))  # noqa: B023
            print(
                f"{name}, batch {size}, {precision}: plain float32 {plain_rate:.0f} images/s, stackkit "
                f"{speed:.0f} images/s, ratio {speed / plain_rate:.2f}, difference from the CPU "
                f"{difference:.0e}",
                flush=True,
            )
    exact = network.plain(batches[-1])[:COMPARED]
    for variant, context in network.variants().items():
        with context:
            difference = largest_difference(network.plain(batches[-1])[:COMPARED], exact)
            speed = rate(partial(network.plain, batches[-1]), rounds, len(images))
        print(f"{name}, plain in {variant}: {speed:.0f} images/s, difference {difference:.0e}")
    print(f"{name}: at most {network.peak_bytes() / 1e9:.1f} GB of the GPU's memory", flush=True)


def rate(compute: Callable[[], Any], rounds: int, images: int) -> float:
    """Return images per second, the median of some passes after one to warm up."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        compute()  # its result is in main memory, so the GPU has finished
        times.append(time.perf_counter() - start)
    return images / statistics.median(times[1:])


if __name__ == "__main__":
    main()
