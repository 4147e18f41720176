"""Make small shards of real JPEG files."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

Members = Iterable[tuple[str, bytes]]


def jpeg(number: int, *, form: str = "JPEG") -> bytes:
    """Return an image of 24x16 pixels, different for each number."""
    colours = np.random.default_rng(number).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).resize((24, 16), Image.Resampling.BICUBIC).save(file, form)
    return file.getvalue()


def shard(path: Path, members: Members) -> Path:
    """Write a tar file of these members in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def pair(number: int, label: str | int) -> Members:
    """Return an image and its label; the key is 000007 for 7."""
    return [(f"{number:06}.jpg", jpeg(number)), (f"{number:06}.cls", str(label).encode())]


def record(number: int, **fields: object) -> Members:
    """Return an image and a JSON object."""
    return [(f"{number:06}.jpg", jpeg(number)), (f"{number:06}.json", json.dumps(fields).encode())]
