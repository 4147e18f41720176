"""`stackkit run`: what it prints and writes, and that it computes nothing twice."""

import json
import shutil
from pathlib import Path

import h5py
import pytest
from support.commands import HISTOGRAM, Command, chosen, in_a_process, python
from support.installing import Site

TWO = f"{HISTOGRAM},{HISTOGRAM}:bins=2"
KEYS = {
    "dataset", "protocol", "classes", "n_images", "failed_images", "results", "components", "timings"
}  # fmt: skip
NOISY = """
    import os, subprocess, sys
    import numpy as np
    from stackkit.api import BackboneSpec, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [
            BackboneSpec(name="noisy", summary="", factory="noisy:Noisy", unavailable_reason="noisy:why")
        ]

    def why():
        print("asked what is missing")

    class Noisy:
        image_size, feature_dim, revision, trained = 8, 3, "1", True

        def extract(self, images):
            print("printed")
            sys.__stdout__.write("kept in a buffer")
            os.write(1, b"written below Python")
            subprocess.run(["echo", "by a program"])
            return images.mean(axis=(1, 2)).astype(np.float32)
"""


def test_json_is_the_whole_of_stdout_and_the_report_that_is_written(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    outcome = stackkit("run", *chosen(bird_folder, TWO), "--json", "--out", tmp_path / "new" / "out")
    document = outcome.document
    assert document.keys() >= KEYS
    assert json.loads((tmp_path / "new" / "out" / "report.json").read_text()) == document
    assert document["n_images"] == 18
    assert document["failed_images"] == []
    assert len(document["classes"]) == 3
    assert not document["untrained"]
    assert "protocol    3-fold stratified" in outcome.err
    assert "linear-svm" in outcome.err  # people still get the table


def test_several_learners_are_rows_of_their_own_and_all_are_stacked(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    learners = ("--learner", "logistic", "--learner", "lda:shrinkage=1", "--baseline", "none")
    outcome = stackkit("run", *chosen(bird_folder, TWO), *learners, "--json", "--out", tmp_path)
    rows = [(row["name"], len(row["backbones"]), row["learners"]) for row in outcome.document["results"]]
    both = ["logistic", "lda:shrinkage=1.0"]
    assert rows == [
        *[("logistic", 1, [])] * 2,
        *[("lda:shrinkage=1.0", 1, [])] * 2,
        ("average-svm", 2, both),
        ("soft-vote", 2, both),
        # On features, it fits one learner itself.
        ("concat with logistic", 2, both[:1]),
        ("concat with lda:shrinkage=1.0", 2, both[1:]),
    ]
    assert "learner     logistic, lda:shrinkage=1.0; baseline none" in outcome.err
    assert "all 2 x 2 learners" in outcome.err
    head = (tmp_path / "predictions.csv").read_text().splitlines()[0]
    assert "lda:shrinkage=1.0 on colour-histogram: prediction" in head
    assert "soft-vote on all 2 x 2 learners: prediction" in head


def test_results_and_components_name_what_was_compared(stackkit: Command, bird_folder: Path) -> None:
    document = stackkit("run", *chosen(bird_folder, TWO), "--json").document
    rows = [(row["kind"], row["name"], row["backbones"]) for row in document["results"]]
    one, other = [HISTOGRAM], [f"{HISTOGRAM}:bins=2"]
    assert rows == [
        ("baseline", "linear-svm", one),
        ("baseline", "linear-svm", other),
        ("learner", "logistic", one),
        ("learner", "logistic", other),
        ("aggregator", "average-svm", one + other),
        ("aggregator", "soft-vote", one + other),
        ("aggregator", "concat", one + other),
    ]
    for row in document["results"]:
        assert len(row["fold_accuracy"]) == 3
        assert row["accuracy"] == pytest.approx(sum(row["fold_accuracy"]) / 3)
    components = {c["name"]: c for c in document["components"]}
    histogram = components[f"{HISTOGRAM}/{HISTOGRAM}"]
    assert histogram["distribution"] == "stackkit-colour-histogram"
    assert histogram["version"] == "1.0"
    assert components["image-folder/image-folder"]["options"]["root"] == str(bird_folder)


def test_a_plugin_that_prints_does_not_corrupt_the_json(
    site: Site, bird_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("noisy", NOISY)
    outcome = in_a_process("run", *chosen(bird_folder, "noisy"), "--json")
    assert outcome.document["n_images"] == 18
    for text in ("printed", "kept in a buffer", "written below Python", "by a program"):
        assert text in outcome.err
    listing = in_a_process("list-plugins", "--json")
    assert "asked what is missing" in listing.err
    assert listing.document["plugins"]


def test_the_table_has_a_row_for_every_classifier(stackkit: Command, bird_folder: Path) -> None:
    outcome = stackkit("run", *chosen(bird_folder, TWO))
    lines = [line.split() for line in outcome.out.splitlines()]
    rows = [line[:2] for line in lines if line and line[0] in {"linear-svm", "logistic"}]
    assert rows == [[name, on] for name in ("linear-svm", "logistic") for on in TWO.split(",")]
    assert [line[:3] for line in lines if "all" in line[1:2]] == [
        ["average-svm", "all", "2"],
        ["soft-vote", "all", "2"],
        ["concat", "all", "2"],
    ]
    assert "accuracy in percent, chance 33.3 (always the largest class)" in outcome.out
    assert sum(line[-1:] == ["best"] for line in lines) == 1
    assert "Not comparable with figures on an official split" in outcome.out


def test_several_aggregators_are_compared_in_the_order_given(
    stackkit: Command, bird_folder: Path
) -> None:
    options = ["--aggregator", "soft-vote,average-svm:fit_on=out-of-fold", "--aggregator", "average-svm"]
    document = stackkit("run", *chosen(bird_folder, TWO), *options, "--json").document
    names = [row["name"] for row in document["results"] if row["kind"] == "aggregator"]
    assert names == ["soft-vote", "average-svm:fit_on=out-of-fold", "average-svm"]


def test_the_baseline_can_be_left_out(stackkit: Command, bird_folder: Path) -> None:
    document = stackkit("run", *chosen(bird_folder), "--baseline", "none", "--json").document
    assert {row["kind"] for row in document["results"]} == {"learner", "aggregator"}


def test_a_backbone_named_twice_runs_once(stackkit: Command, bird_folder: Path) -> None:
    twice = [*chosen(bird_folder, f"{HISTOGRAM},{HISTOGRAM}"), "--backbones", f"{HISTOGRAM}:bins=4"]
    document = stackkit("run", *twice, "--json").document
    assert document["results"][-1]["backbones"] == [HISTOGRAM]


def test_the_same_seed_gives_the_same_results(stackkit: Command, bird_folder: Path) -> None:
    def results(*options: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = stackkit(
            "run", *chosen(bird_folder, TWO), *options, "--json"
        ).document["results"]
        return found

    assert results("--shuffle", "--seed", "3") == results("--shuffle", "--seed", "3")
    assert results("--shuffle", "--seed", "3") != results("--shuffle", "--seed", "4")


def test_shuffling_and_its_seed_are_part_of_the_protocol(stackkit: Command, bird_folder: Path) -> None:
    outcome = stackkit("run", *chosen(bird_folder), "--shuffle", "--seed", "7", "--cv", "2", "--json")
    protocol = outcome.document["protocol"]
    assert (protocol["shuffle"], protocol["seed"], protocol["folds"]) == (True, 7, 2)
    assert "2-fold stratified cross-validation, shuffled, seed 7" in outcome.err


def test_the_official_split_is_measured_once(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    for species in bird_folder.iterdir():
        for number, photograph in enumerate(sorted(species.iterdir())):
            place = tmp_path / ("train" if number % 3 else "test") / species.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(photograph, place)
    document = stackkit("run", *chosen(tmp_path), "--split", "official", "--json").document
    assert document["protocol"]["kind"] == "official-split"
    assert all(len(row["fold_accuracy"]) == 1 for row in document["results"])
    assert any("Official split" in note for note in document["notes"])


def test_untrained_networks_are_marked_everywhere(
    stackkit: Command, bird_folder: Path, tmp_path: Path, home: Path
) -> None:
    backbone = "resnet50:weights=random,size=64"
    label = f"{backbone} (untrained)"
    outcome = stackkit("run", *chosen(bird_folder, f"{backbone},{HISTOGRAM}"), "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    assert f"backbone    {label}" in outcome.err  # the preview
    table, notes = outcome.out.split("- ", 1)
    assert table.count("(untrained)") == 5  # baseline, learner, and all aggregators
    assert f"Untrained (random weights), so accuracies mean nothing: {label}." in notes
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["untrained"]
    assert [row["untrained"] for row in report["results"]] == [
        *[True, False] * 2, *[True] * 3,
    ]  # fmt: skip
    (stored,) = home.glob("features/*resnet50*/*.h5")
    with h5py.File(stored) as file:
        assert not file.attrs["trained"]
        assert json.loads(file.attrs["provenance"])[0]["untrained"]
    assert label in stackkit("extract", *chosen(bird_folder, backbone)).out


def test_a_second_run_computes_nothing_and_starts_no_framework(
    stackkit: Command, bird_folder: Path, shared_data: Path
) -> None:
    weights = shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
    arguments = [*chosen(bird_folder, f"mobilenet:alpha=0.25,weights={weights},size=96"), "--json"]
    first = stackkit("run", *arguments).document
    assert [*first["extraction"].values()] == [{"computed": 18, "reused": 0}]
    script = (
        "import sys; from stackkit.cli import main; code = main(sys.argv[1:]);"
        "print({'tensorflow', 'keras', 'matplotlib'} & {*sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    again = python("-c", script, "run", *arguments)
    second = again.document
    assert [*second["extraction"].values()] == [{"computed": 0, "reused": 18}]
    assert again.err.splitlines()[-1] == "set()"
    assert second["results"] == first["results"]
