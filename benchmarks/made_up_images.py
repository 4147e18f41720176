"""Draw images that are all object: textures that fill the frame, and flowers on a plain background.

    python benchmarks/made_up_images.py textures FOLDER
    python benchmarks/made_up_images.py flowers FOLDER

They show whether looking again at a part of the image does harm where there is no part to look at
(textures), and where the object is large and alone (flowers). Neighbouring classes differ by little, and
noise, colour, direction and size differ from image to image, so that no network is right every time.
The same seed draws the same images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 256
CLASSES = 10

Plane = NDArray[np.float64]


def texture(kind: int, random: np.random.Generator) -> Plane:
    """Return noise with a typical wavelength and a typical spread of directions; (SIDE, SIDE)."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    angle = np.arctan2(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    centre = 0.03 * 1.35 ** (kind // 2) * np.exp(random.normal(0, 0.08))
    ring = np.exp(-(((frequency - centre) / (0.3 * centre)) ** 2))
    if kind % 2:
        ring = ring * np.abs(np.cos(angle - random.uniform(0, np.pi))) ** 4
    return np.fft.ifft2(np.fft.fft2(random.normal(size=(SIDE, SIDE))) * ring).real


def flower(kind: int, random: np.random.Generator) -> Plane:
    """Return a flower with `kind` + 4 petals, 1 inside and 0 outside; (SIDE, SIDE)."""
    grid = (np.mgrid[:SIDE, :SIDE] - SIDE / 2) / (SIDE / 2)
    y, x = grid - random.uniform(-0.15, 0.15, size=(2, 1, 1))
    radius, angle = np.hypot(x, y), np.arctan2(y, x) + random.uniform(0, 2 * np.pi)
    edge = random.uniform(0.55, 0.8) * (1 + random.uniform(0.15, 0.3) * np.cos((kind + 4) * angle))
    return np.clip((edge - radius) * 20, 0, 1) * (0.6 + 0.4 * np.clip((radius - 0.2) * 20, 0, 1))


def coloured(plane: Plane, random: np.random.Generator) -> Image.Image:
    """Return the plane between two random colours, with noise."""
    share = (plane - plane.min()) / (np.ptp(plane) or 1)
    low, high = random.uniform(0, 110, size=3), random.uniform(140, 255, size=3)
    pixels = low + share[..., None] * (high - low) + random.normal(0, 25, size=(SIDE, SIDE, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


KINDS: dict[str, Callable[[int, np.random.Generator], Plane]] = {"textures": texture, "flowers": flower}


def main() -> None:
    """Draw all images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-class", type=int, default=60)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    for kind in range(CLASSES):
        folder = arguments.folder / f"kind{kind:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(arguments.per_class):
            image = coloured(KINDS[arguments.kind](kind, random), random)
            image.save(folder / f"{number:03d}.png")


if __name__ == "__main__":
    main()
