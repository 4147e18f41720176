"""Give commands to stackkit, in this process or in one of its own, and look at what came back."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stackkit.store.metadata import read_contents

HISTOGRAM = "colour-histogram"


@dataclass(frozen=True)
class Outcome:
    """An exit code and what was printed."""

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
        """The one line that says what went wrong; the last of stderr, and no traceback above it."""
        lines = self.err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        assert errors == lines[-1:], self.err
        assert "Traceback" not in self.err
        assert self.out == ""
        return errors[0].removeprefix("error: ")


Command = Callable[..., Outcome]


def in_a_process(*arguments: str | Path, **environment: str) -> Outcome:
    """`python -m stackkit ARGUMENTS`, which finds what is on this process's sys.path."""
    return python("-m", "stackkit", *arguments, **environment)


def python(*arguments: str | Path, **environment: str) -> Outcome:
    """Python itself with these arguments."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, env=variables() | environment, capture_output=True, text=True, timeout=120, check=False
    )
    return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)


def variables() -> dict[str, str]:
    """The environment of a process that finds the same distributions as this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "STACKKIT_DEBUG": "0"}


def photographs(root: Path, **classes: int) -> Path:
    """An image-folder: so many small pictures of noise per class, no two of them alike."""
    for name, count in classes.items():
        generator = np.random.default_rng(list(name.encode()))
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:03}.png")
    return root


def chosen(root: Path, backbones: str = HISTOGRAM) -> list[str]:
    """The options that every command about images takes."""
    return ["--dataset", f"image-folder:root={root}", "--backbones", backbones]


def flip(path: Path, place: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 16
    path.write_bytes(data)


def flip_row(path: Path, row: int) -> None:
    """Damage the stored features of one row."""
    layout = read_contents(path).layout
    flip(path, layout.features + layout.stride * row + 5)
