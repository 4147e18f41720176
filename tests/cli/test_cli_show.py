import json
from pathlib import Path

from support.bundles import WEIGHTS, component, manifest, write
from support.commands import Command

from stackkit.api import State
from stackkit.bundle import ClassifierRecord


def test_show_prints_what_is_in_a_model(stackkit: Command, tmp_path: Path):
    path = write(tmp_path / "birds.stackkit")
    outcome = stackkit("show", path)
    assert outcome.code == 0
    for line in (
        "accuracy      98.1 % expected, 96.0 to 99.0 % with 95 % confidence"
        " (592 images, official split)",
        "classes       2: Laysan Albatross, Fischmöwe",
        "network       tiny (stackkit 0.1.0), 32 pixels, 4 features, weights tiny.h5, 0.0 MB, inside",
        "learner       logistic (stackkit 0.1.0) on tiny",
        "aggregator    average-svm (stackkit 0.1.0)",
        "calibration   log loss (after 0.125, before 0.25), temperature 0.5",
        "dataset       image-folder:root=birds, 1,190 images",
        "licence       weights: Apache-2.0",
    ):
        assert line in outcome.out.splitlines()
    document = json.loads(stackkit("show", path, "--json").out)
    assert document["schema"] == 1
    assert document["classes"] == ["Laysan Albatross", "Fischmöwe"]
    assert document["sha256_of_manifest"] in outcome.out
    assert document["bytes"] == path.stat().st_size


def test_show_names_what_must_be_trusted_and_obeys_no_text_of_the_file(
    stackkit: Command, tmp_path: Path
):
    foreign = ClassifierRecord(
        component=component("learner", "forest"), states=("skops/0.skops",), format="skops", backbone=0
    )
    changed = manifest(classes=("a\x1b[31m", "b\nc"), learners=(foreign,))
    path = write(
        tmp_path / "birds.stackkit",
        manifest=changed,
        states={"aggregator": State()},
        files={"skops/0.skops": b"x", "weights/tiny.h5": WEIGHTS},
    )
    out = stackkit("show", path).out
    assert "loaded only with --trust forest" in out
    assert r"classes       2: a\x1b[31m, b\nc" in out
    assert "\x1b" not in out


def test_a_damaged_model_is_one_line_and_exit_code_11(stackkit: Command, tmp_path: Path):
    path = write(tmp_path / "birds.stackkit")
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    outcome = stackkit("show", path)
    assert (outcome.code, outcome.out) == (11, "")
    assert outcome.err.startswith(f"error: {path} is damaged, or is no model of stackkit: ")
    assert outcome.err.count("\n") == 1
    missing = stackkit("show", tmp_path / "none.stackkit")
    assert "cannot be opened: No such file or directory; check the path" in missing.err
