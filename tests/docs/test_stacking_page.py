"""stacking.md: its blocks run on the output of stackkit run, and its table matches the file."""

import re
from pathlib import Path

import h5py
import pytest
from support.pages import text_of

from stackkit.cli import main

PAGE = text_of("stacking.md")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(bird_folder: Path, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run with two real networks has written report.json and probabilities.h5."""
    scratch = tmp_path_factory.mktemp("run")
    weights = shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
    backbones = ",".join(f"mobilenet:alpha=0.25,size={size},weights={weights}" for size in (64, 96))
    arguments = ["run", "--dataset", f"image-folder:root={bird_folder}", "--backbones", backbones]
    arguments += ["--store", str(scratch / "features"), "--out", str(scratch / "out"), "--no-html"]
    assert main([*arguments, "--no-refit", "--aggregator", "soft-vote,weighted-vote"]) == 0
    return scratch / "out"


def test_the_blocks_run_one_after_the_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"folder": folder}
    for block in BLOCKS:
        exec(compile(block, "stacking.md", "exec"), names)
    classifiers = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert len(classifiers) == 3 * 6
    assert {"linear-svm", "logistic", "soft-vote", "weighted-vote"} == set(classifiers)
    assert 0 <= float(str(names["accuracy"])) <= 1


def test_the_table_names_every_dataset_and_no_other(folder: Path) -> None:
    found = set[str]()
    with h5py.File(folder / "probabilities.h5") as file:
        file.visititems(lambda name, item: found.add(name) if isinstance(item, h5py.Dataset) else None)
        attributes = {*file.attrs, *file["fold_0/predicted/000"].attrs}
    general = {re.sub(r"/\d{3}$", "/NNN", re.sub(r"^fold_\d", "fold_K", name)) for name in found}
    assert set(re.findall(r"^\| `([\w/]+)`", PAGE, flags=re.MULTILINE)) == general
    assert attributes <= set(re.findall(r"`(\w+)`", PAGE))
