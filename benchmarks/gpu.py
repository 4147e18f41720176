"""Measure networks on a GPU: parity with the CPU, and images per second beside plain torch.

    python benchmarks/gpu.py --images ../shared/data/CUB_200_2011/images

For every network, stackkit's backbone `timm` on `device=gpu` and plain timm on the same GPU compute the
same network with the same random weights, in passes that take turns. Plain timm gets tensors that are
preprocessed and on the GPU already; stackkit gets pixels in main memory. Beside float32, plain timm runs
with TensorFloat-32 and with bfloat16, to show what lower precision would bring and what it would change.
It takes under ten minutes, and ends at once on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

from stackkit.api.images import read_image, squash
from stackkit_plugins.shared.keras_network.parity import largest_difference
from stackkit_plugins.timm.backbone import Factory

MODELS = "resnet50,convnextv2_tiny,vit_small_patch14_dinov2,vit_base_patch16_siglip_224"
BATCHES = (32, 128, 512)


def main() -> None:
    """Print a block of lines per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder with JPEG files")
    parser.add_argument("--models", default=MODELS, help=f"names in timm; default: {MODELS}")
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--rounds", type=int, default=5, help="passes of each")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU on this machine; nothing was measured")
    torch.backends.cudnn.allow_tf32 = False  # torch allows it in convolutions unless told otherwise
    files = sorted(options.images.rglob("*.jpg"))[: BATCHES[-1]]
    few = np.stack([squash(read_image(file), options.size) for file in files])
    images = np.resize(few, (BATCHES[-1], *few.shape[1:]))
    print(
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}, timm {timm.__version__}; ", end=""
    )
    print(f"{len(few)} different images of {options.size} pixels")
    for model in options.models.split(","):
        measure(model, images, options.rounds)


def measure(model: str, images: np.ndarray, rounds: int) -> None:
    """Compare stackkit on the GPU with its own CPU features, and with plain timm."""
    on_cpu = backbone(model, images.shape[1], "cpu", 16).extract(images[:16])
    network, batch = plain(model, images)
    for size in BATCHES:
        ours = backbone(model, images.shape[1], "gpu", size)
        ours.prepare(images[:32], print)
        difference = largest_difference(ours.extract(images[:16]), on_cpu)
        times = [
            (seconds(lambda: forward(network, batch, size)), seconds(lambda: ours.extract(images)))  # noqa: B023
            for _ in range(rounds + 1)
        ][1:]
        theirs, mine = (len(images) / statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"{model}, batch {size}: timm {theirs:.0f} images/s, stackkit {mine:.0f} images/s, "
            f"ratio {mine / theirs:.2f}, difference from the CPU {difference:.0e}",
            flush=True,
        )
    exact = forward(network, batch[:16], 16)
    for name, context in (("TensorFloat-32", tensor_float_32), ("bfloat16", bfloat_16)):
        with context():
            found = forward(network, batch[:16], 16)
            forward(network, batch, BATCHES[-1])
            rate = len(images) / statistics.median(
                seconds(lambda: forward(network, batch, BATCHES[-1])) for _ in range(rounds)
            )
        difference = largest_difference(found, exact)
        print(f"{model}, {name}: timm {rate:.0f} images/s, difference {difference:.0e}", flush=True)


def backbone(model: str, size: int, device: str, batch_size: int) -> Any:
    """Return stackkit's backbone with random weights, on torch."""
    return Factory(name="timm")(
        model=model,
        weights="random",
        size=size,
        tokens="auto",
        device=device,
        seed=0,
        engine="torch",
        threads=0,
        batch_size=batch_size,
    )


def plain(model: str, images: np.ndarray) -> tuple[Any, Any]:
    """Return the network as plain timm has it, and its preprocessed input, both on the GPU."""
    torch.manual_seed(0)
    fixed = timm.get_pretrained_cfg(model).fixed_input_size
    sized = {"img_size": images.shape[1]} if fixed else {}
    network = timm.create_model(model, num_classes=0, **sized).eval().cuda()
    config = timm.data.resolve_model_data_config(network)
    mean, std = (torch.tensor(config[name]).reshape(1, 3, 1, 1).cuda() for name in ("mean", "std"))
    pixels = torch.tensor(images).cuda().permute(0, 3, 1, 2).contiguous() / 255
    return network, (pixels - mean) / std


def forward(network: Any, batch: Any, size: int) -> np.ndarray:
    """Return the features of a batch, computed for `size` images at a time."""
    with torch.inference_mode():
        parts = [network(part).float() for part in batch.split(size)]
        found: np.ndarray = torch.cat(parts).cpu().numpy()
    return found


@contextmanager
def tensor_float_32() -> Iterator[None]:
    """Allow 11 bits of significand in products."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


@contextmanager
def bfloat_16() -> Iterator[None]:
    """Compute in bfloat16 where torch's autocast does."""
    with torch.autocast("cuda", dtype=torch.bfloat16):
        yield


def seconds(compute: Callable[[], Any]) -> float:
    """Return how long a call takes; the results are on the CPU, so the GPU has finished."""
    start = time.perf_counter()
    compute()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
