"""feature-store.md: its blocks run on a file from stackkit extract, and its tables match the file."""

import re
from pathlib import Path

import h5py
import pytest
from support.pages import text_of

from stackkit.cli import main

PAGE = text_of("feature-store.md")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def feature_file(bird_folder, shared_data, tmp_path_factory) -> Path:
    store = tmp_path_factory.mktemp("features")
    weights = shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
    backbone = f"mobilenet:alpha=0.25,size=64,weights={weights}"
    dataset = f"image-folder:root={bird_folder}"
    assert main(["extract", "--dataset", dataset, "--backbones", backbone, "--store", str(store)]) == 0
    (path,) = store.glob("*/*.h5")
    return path


def test_the_page_has_blocks_to_run():
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_runs_on_a_real_file(feature_file, block):
    names: dict[str, object] = {"path": feature_file}
    exec(compile(block, "feature-store.md", "exec"), names)
    assert getattr(names.get("features"), "shape", (18, 256)) == (18, 256)


def test_the_page_names_every_dataset_and_attribute_and_no_other(feature_file):
    with h5py.File(feature_file) as file:
        assert set(re.findall(r"^\| `(\w+)`", PAGE, flags=re.MULTILINE)) == set(file)
        sentence = PAGE.split("Attributes of the file:")[1].split("\n\n")[0]
        assert set(file.attrs) <= set(re.findall(r"`(\w+)`", sentence))


def test_features_and_checksums_are_stored_as_the_page_says(feature_file):
    with h5py.File(feature_file) as file:
        assert (file["features"].dtype, file["checksums"].dtype) == ("<f4", "<u4")
        assert file["features"].chunks is None
        assert file["labels"].dtype == "int64"
