"""Compare the throughput of stackkit's backbone `timm` with that of plain timm on torch.

    python benchmarks/timm_networks.py --images ../shared/data/CUB_200_2011/images
    python benchmarks/timm_networks.py --images FOLDER --models resnet50,eva02_small_patch14_224

Both compute the same network with the same random weights (the arithmetic is the same as with trained
ones) in one process, in passes that take turns, so that background load affects both equally. timm gets
tensors that are preprocessed beforehand, and computes as its documentation shows; stackkit gets the
pixels, on the engine that it selects. Decoding is left out: benchmarks/peer.py measures whole runs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

from stackkit.api.images import read_image, squash
from stackkit_plugins.shared.keras_network.parity import largest_difference
from stackkit_plugins.timm.backbone import Factory

MODELS = "resnet50,convnextv2_tiny,vit_small_patch14_dinov2,vit_base_patch16_siglip_224"


def main() -> None:
    """Print one line per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder with JPEG files")
    parser.add_argument("--models", default=MODELS, help=f"names in timm; default: {MODELS}")
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--count", type=int, default=32, help="images per pass")
    parser.add_argument("--rounds", type=int, default=3, help="passes of each")
    options = parser.parse_args()
    files = sorted(options.images.rglob("*.jpg"))[::7][: options.count]
    images = np.stack([squash(read_image(file), options.size) for file in files])
    print(f"{len(images)} images of {options.size} pixels, {torch.get_num_threads()} threads")
    for model in options.models.split(","):
        print(_line(model, images, options.rounds), flush=True)


def _line(model: str, images: np.ndarray, rounds: int) -> str:
    backbone = Factory(name="timm")(
        model=model,
        weights="random",
        size=images.shape[1],
        tokens="auto",
        device="cpu",
        seed=0,
        engine="auto",
        threads=0,
        batch_size=0,
    )
    backbone.expect(1000)
    engine = backbone.prepare(images[:32], print).settings["engine"]
    network, batch = _plain(model, images)

    def theirs() -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = network(batch).numpy()
        return found

    difference = largest_difference(backbone.extract(images), theirs())
    pairs = [(_seconds(theirs), _seconds(lambda: backbone.extract(images))) for _ in range(rounds)]
    ratios = sorted(plain / ours for plain, ours in pairs)
    plain, ours = (len(images) / statistics.median(column) for column in zip(*pairs, strict=True))
    return (
        f"{model}: timm {plain:.1f} images/s, stackkit on {engine} {ours:.1f} images/s, "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), "
        f"difference {difference:.0e}"
    )


def _plain(model: str, images: np.ndarray) -> tuple[Any, Any]:
    """Return the network as plain timm has it, and its preprocessed input."""
    torch.manual_seed(0)
    fixed = timm.get_pretrained_cfg(model).fixed_input_size
    sized = {"img_size": images.shape[1]} if fixed else {}
    network = timm.create_model(model, num_classes=0, **sized).eval()
    config = timm.data.resolve_model_data_config(network)
    mean, std = (torch.tensor(config[name]).reshape(1, 3, 1, 1) for name in ("mean", "std"))
    pixels = torch.tensor(images).permute(0, 3, 1, 2).contiguous() / 255
    return network, (pixels - mean) / std


def _seconds(compute: Callable[[], Any]) -> float:
    start = time.perf_counter()
    compute()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
