"""Run stackkit commands, in this process or another, and inspect the outcome."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stackkit.store.metadata import read_contents

HISTOGRAM = "colour-histogram"


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The whole of stdout as one JSON document."""
        assert self.code == 0, self.err
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def error(self) -> str:
        """The error line: the last of stderr, without a traceback or output on stdout."""
        lines = self.err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        assert errors == lines[-1:], self.err
        assert "Traceback" not in self.err
        assert self.out == ""
        return errors[0].removeprefix("error: ")


Command = Callable[..., Outcome]


def in_a_process(*arguments: str | Path, **environment: str) -> Outcome:
    """Run `python -m stackkit ARGUMENTS` with the sys.path of this process."""
    return python("-m", "stackkit", *without_page(arguments), **environment)


def without_page(arguments: Sequence[str | Path]) -> list[str]:
    """Return the words of a command; without --html, a run makes no page, which takes seconds."""
    words = list(map(str, arguments))
    chosen = {"--html", "--no-html"} & set(words)
    if {"run", "evaluate"} & set(words) and "--out" in words and not chosen:
        return [*words, "--no-html"]
    return words


def python(*arguments: str | Path, **environment: str) -> Outcome:
    """Run Python with these arguments and the sys.path of this process."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, env=variables() | environment, capture_output=True, text=True, timeout=120, check=False
    )
    return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)


def variables() -> dict[str, str]:
    """Return the environment for a process that finds the same distributions as this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "STACKKIT_DEBUG": "0"}


def photographs(root: Path, **classes: int) -> Path:
    """Write an image-folder with that many different noise images per class."""
    for name, count in classes.items():
        generator = np.random.default_rng(list(name.encode()))
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:03}.png")
    return root


def chosen(root: Path, backbones: str = HISTOGRAM) -> list[str]:
    """Return the --dataset and --backbones options for a folder of images."""
    return ["--dataset", f"image-folder:root={root}", "--backbones", backbones]


def flip(path: Path, place: int) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 16
    path.write_bytes(data)


def flip_row(path: Path, row: int) -> None:
    """Damage the stored features of one row."""
    layout = read_contents(path).layout
    flip(path, layout.features + layout.stride * row + 5)
