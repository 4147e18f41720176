"""`stackkit suggest` ranks networks and recipes on a sample, within a budget."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.commands import HISTOGRAM, Command
from support.installing import Site

OTHERS = """
    import numpy as np
    from stackkit.api import BackboneSpec, Readiness, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [
            BackboneSpec(name="slow", summary="", factory="others:Slow"),
            BackboneSpec(name="steady", summary="", factory="others:Steady"),
            BackboneSpec(name="broken", summary="", factory="others:Broken"),
            BackboneSpec(name="far", summary="", factory="others:Far", unavailable_reason="others:why"),
        ]

    class Slow:
        image_size, feature_dim, revision, trained = 8, 3, "1", True

        def prepare(self, probe, tell):
            return Readiness(settings={}, batch_size=32, images_per_s=0.01)

        def extract(self, images):
            raise AssertionError("it takes longer than the budget")

    class Steady(Slow):
        def prepare(self, probe, tell):
            return Readiness(settings={}, batch_size=32, images_per_s=1.5)

        def extract(self, images):
            return (images.mean(axis=(1, 2)) / 255).astype(np.float32)

    class Broken:
        image_size, feature_dim, revision, trained = 8, 3, "1", True

        def extract(self, images):
            raise ValueError("no memory")

    class Far(Broken):
        pass

    def why():
        return "far.bin is downloaded at first use"
"""
NETWORKS = f"{HISTOGRAM},{HISTOGRAM}:bins=2,slow,broken,far"


@pytest.fixture
def arguments(site: Site, bird_folder: Path, tmp_path: Path) -> list[str | Path]:
    site.install("others", OTHERS)
    mine = tmp_path / "mine.toml"
    mine.write_text(
        f'backbones = ["{HISTOGRAM}", "{HISTOGRAM}:bins=2"]\nlearners = ["lda"]\n'
        'aggregators = ["soft-vote"]\n',
        encoding="utf-8",
    )
    return [
        *("suggest", "--dataset", f"image-folder:root={bird_folder}", "--limit", "5"),
        *("--backbones", NETWORKS, "--recipe", mine, "--recipe", "published", "--budget", "60s"),
    ]


def test_what_can_run_is_ranked_and_the_rest_is_named_with_its_reason(
    stackkit: Command, arguments: list[str | Path], tmp_path: Path
) -> None:
    outcome = stackkit(*arguments, "--json")
    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert (document["n_images"], document["n_whole"], document["n_classes"]) == (15, 18, 3)
    ranked = document["candidates"]
    mine = str(tmp_path / "mine.toml")
    assert {one["name"] for one in ranked} == {HISTOGRAM, f"{HISTOGRAM}:bins=2", mine}
    accuracies = [one["accuracy"] for one in ranked]
    assert accuracies == sorted(accuracies, reverse=True)
    assert ranked[0]["gain_interval_95"] is None
    for one in ranked[1:]:
        assert one["indistinct"] == (one["gain_interval_95"][1] >= 0)
        assert one["interval_95"][0] < one["accuracy"] < one["interval_95"][1]
    skipped = {one["name"]: one["reason"] for one in document["skipped"]}
    assert skipped["slow"].startswith("takes about 2250 s here, and ")
    assert "no memory" in skipped["broken"]
    not_ready = {one["name"]: one["reason"] for one in document["not_ready"]}
    assert not_ready["far"] == "far.bin is downloaded at first use"
    assert not_ready["published"].startswith("vgg19: ")
    assert document["suggested"] == ranked[0]["command"]


def test_the_table_says_that_a_sample_is_too_small_and_what_to_run(
    stackkit: Command, arguments: list[str | Path]
) -> None:
    first = stackkit(*arguments)
    lines = first.out.splitlines()
    assert "15 of 18 images, 3 classes; 3-fold cross-validation, shuffled" in lines[0]
    assert any("15 images are too few to tell" in line and "--limit 10" in line for line in lines)
    (best,) = [line for line in lines if line.startswith("most accurate here: stackkit run ")]
    again = stackkit(*arguments)
    assert [line for line in again.out.splitlines() if "[" in line and "to the best" not in line]
    assert best in again.out.splitlines(), "the same seed gives the same ranking"
    done = stackkit(*shlex.split(best.partition(": stackkit ")[2]), "--json")
    assert done.code == 0, done.err
    for counts in done.document["extraction"].values():
        assert counts == {"computed": 3, "reused": 15}, "the sample's features are kept"


def test_without_time_nothing_is_tried(stackkit: Command, arguments: list[str | Path]) -> None:
    outcome = stackkit(*arguments[:-1], "0.0001s")
    assert outcome.code == 0, outcome.err
    assert "nothing was tried; give more time with --budget" in outcome.out
    for text, message in {
        "soon": "--budget must be a duration such as 90s, 10m or 1h, got 'soon'",
        "0m": "--budget must be longer than 0, got '0m'",
    }.items():
        refused = stackkit(*arguments[:-1], text)
        assert (refused.code, refused.error) == (2, message)


def test_names_that_do_not_exist_are_refused(stackkit: Command, arguments: list[str | Path]) -> None:
    assert "unknown backbone 'histogrm'" in stackkit(*arguments[:5], "--backbones", "histogrm").error
    assert "unknown recipe 'fst'" in stackkit(*arguments[:5], "--recipe", "fst").error
    assert "--limit must be at least 3, got 2" in stackkit(*arguments[:3], "--limit", "2").error


def test_a_time_is_for_all_images_whatever_an_earlier_trial_has_stored(
    stackkit: Command, arguments: list[str | Path], tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('backbones = ["steady"]\nlearners = ["lda"]\n', encoding="utf-8")
    command = [*arguments[:5], "--backbones", "steady", "--recipe", recipe, "--json"]

    def seconds(budget: str) -> dict[str, Any]:
        document = stackkit(*command, "--budget", budget).document
        assert document["skipped"] == []
        return {one["kind"]: one["seconds"] for one in document["candidates"]}

    whole = 18 / 1.5
    assert seconds("60s") == {"network": whole, "recipe": whole}
    # The 15 images of the sample would take 10 s, but they are stored now.
    assert seconds("8s") == {"network": whole, "recipe": whole}


def test_a_sample_that_cannot_be_evaluated_or_grow_is_said_before_and_after(
    stackkit: Command, arguments: list[str | Path], bird_folder: Path, tmp_path: Path
) -> None:
    whole = [*arguments[:3], "--backbones", f"{HISTOGRAM},{HISTOGRAM}:bins=2", "--recipe", "none"]
    assert "choose by time, or add images" in stackkit(*whole, "--limit", "6").out
    table = tmp_path / "groups.csv"
    images = sorted(bird_folder.glob("*/*"))
    lines = [f"{path},{path.parent.name},{path.parent.name}" for path in images]
    table.write_text("\n".join(["path,label,group", *lines]), encoding="utf-8")
    grouped = ["suggest", "--dataset", f"csv:file={table}", *whole[3:]]
    refused = stackkit(*grouped)
    assert (refused.code, "fewer groups of images than the 3 folds" in refused.error) == (8, True)


def test_unreadable_images_of_the_sample_are_named(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(bird_folder, tmp_path / "birds")  # other tests use the original
    broken = next(path for path in sorted(folder.glob("*/*")) if path.is_file())
    broken.write_bytes(b"no image")
    dataset = f"image-folder:root={folder}"
    whole = [
        "suggest",
        "--dataset",
        dataset,
        "--backbones",
        HISTOGRAM,
        "--recipe",
        "none",
        "--limit",
        "6",
    ]
    outcome = stackkit(*whole)
    name = f"{broken.parent.name}/{broken.name}"
    assert f"1 image(s) of the sample could not be read and do not count, first {name}" in outcome.out
    (failed,) = stackkit(*whole, "--json").document["failed_images"]
    assert failed["id"] == name


def test_more_time_is_advised_only_where_it_helps(
    stackkit: Command, arguments: list[str | Path]
) -> None:
    for network, reason in {
        "broken": "not tried: broken: failed: ",
        "far": "not ready: far: far.bin is downloaded at first use",
    }.items():
        outcome = stackkit(*arguments[:5], "--backbones", network, "--recipe", "none")
        assert reason in outcome.out
        assert "--budget" not in outcome.out
        assert "`stackkit list-plugins --kind backbone` says what is missing" in outcome.out
