"""`--dry-run` shows what a run would do and take, and changes nothing."""

import json
from pathlib import Path

import h5py
import pytest
from support.commands import HISTOGRAM, Command, chosen, in_a_process
from support.installing import Site

PACED = """
    import numpy as np
    from stackkit.api import BackboneSpec, Option, Readiness, hookimpl

    @hookimpl
    def stackkit_backbones():
        device = Option(name="device", default="auto", choices=("auto", "cpu", "gpu"), help="")
        threads = Option(name="threads", default=0, minimum=0, help="")
        paced = BackboneSpec(name="paced", summary="", factory="paced:Paced", options=(device, threads))
        far = BackboneSpec(name="far", summary="", factory="paced:Far", unavailable_reason="paced:why")
        return [paced, far]

    class Paced:
        image_size, feature_dim, revision, trained = 8, 3, "1", True

        def __init__(self, device, threads):
            self.settings = {"device": device, "threads": threads}

        def prepare(self, probe, tell):
            tell(f"shown {len(probe)} images, {self.settings}")
            return Readiness(settings=self.settings, batch_size=32, images_per_s=0.01)

        def extract(self, images):
            return images.mean(axis=(1, 2)).astype(np.float32)

    class Far:
        image_size, feature_dim, trained = 8, 1000, True

        @property
        def revision(self):
            raise AssertionError("downloaded")

    def why():
        return "far.bin is downloaded at first use"
"""


@pytest.fixture
def paced(site: Site) -> None:
    site.install("paced", PACED)


pytestmark = pytest.mark.usefixtures("paced")


@pytest.mark.parametrize("command", ["run", "extract"])
def test_it_shows_time_disk_and_downloads_and_stores_nothing(
    command: str, stackkit: Command, bird_folder: Path, home: Path, tmp_path: Path
) -> None:
    out = ["--out", tmp_path / "out"] if command == "run" else []
    outcome = stackkit(command, *chosen(bird_folder, "paced,far"), "--dry-run", *out)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert "dataset     image-folder:root=" in lines[0]
    assert "backbone    paced: 8x8 pixels -> 3 features" in lines
    assert "missing     far: far.bin is downloaded at first use" in lines
    assert "estimate    paced: 18 images at 0.01/s: about 30:00" in lines
    assert "estimate    far: time unknown until it is available (at most 18 images)" in lines
    assert any(
        line.startswith("estimate    extraction takes at least 30:00 in the networks") for line in lines
    )
    assert "estimate    72.2 kB more on disk, " in lines[-1]
    assert any(line.startswith("protocol") for line in lines) == (command == "run")
    assert "shown 18 images" in outcome.err
    assert list(home.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_json_is_the_whole_of_stdout(stackkit: Command, bird_folder: Path) -> None:
    arguments = [*chosen(bird_folder, "paced,far"), "--dry-run", "--json"]
    document = stackkit("extract", *arguments).document
    assert document == stackkit("run", *arguments).document | {"free_bytes": document["free_bytes"]}
    assert document["n_images"] == 18
    assert document["seconds"] is None, "the speed of far is unknown"
    assert document["new_bytes"] == 18 * 4 * 1003
    assert document["backbones"] == [
        {
            "name": "paced",
            "images": 18,
            "images_per_s": 0.01,
            "seconds": 1800.0,
            "new_bytes": 216,
            "unavailable_reason": None,
        },
        {
            "name": "far",
            "images": 18,
            "images_per_s": None,
            "seconds": None,
            "new_bytes": 72_000,
            "unavailable_reason": "far.bin is downloaded at first use",
        },
    ]


def test_half_precision_halves_disk_space_also_for_unavailable_backbones(
    stackkit: Command, bird_folder: Path
) -> None:
    arguments = [*chosen(bird_folder, "paced,far"), "--dry-run", "--feature-dtype", "float16"]
    backbones = stackkit("extract", *arguments, "--json").document["backbones"]
    assert [one["new_bytes"] for one in backbones] == [108, 36_000]
    assert "store       36.1 kB of features at most" in stackkit("extract", *arguments).out


def test_an_unfetched_dataset_shows_what_is_known(stackkit: Command, home: Path) -> None:
    arguments = ["run", "--dataset", "cub200", "--backbones", "paced,far", "--dry-run"]
    outcome = stackkit(*arguments)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert "run `stackkit fetch --dataset cub200` (1.1 GB)" in lines[0]
    assert "missing     far: far.bin is downloaded at first use" in lines
    assert "store       4.0 kB of features per image" in lines
    assert lines[-1] == "estimate    time and disk are unknown until the dataset is available"
    document = stackkit(*arguments, "--json").document
    assert "fetch --dataset cub200" in document["unavailable_reason"]
    assert (document["n_images"], document["seconds"], document["new_bytes"]) == (None, None, None)
    assert [one["name"] for one in document["backbones"]] == ["paced", "far"]
    assert not home.exists() or list(home.iterdir()) == []


def test_an_existing_report_is_refused_as_in_a_run(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text("{}")
    arguments = ["run", *chosen(bird_folder, "paced"), "--dry-run", "--out"]
    assert "report.json exists" in stackkit(*arguments, tmp_path).error
    assert stackkit(*arguments, tmp_path, "--overwrite").code == 0
    assert "cannot be written" in stackkit(*arguments, tmp_path / "report.json" / "deeper").error
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_backbone_without_prepare_is_timed(stackkit: Command, bird_folder: Path) -> None:
    (one,) = stackkit("extract", *chosen(bird_folder), "--dry-run", "--json").document["backbones"]
    assert one["images_per_s"] > 0


def test_stored_features_take_no_time(stackkit: Command, bird_folder: Path) -> None:
    stackkit("extract", *chosen(bird_folder))
    outcome = stackkit("run", *chosen(bird_folder), "--dry-run")
    assert f"estimate    {HISTOGRAM}: nothing to compute" in outcome.out
    document = stackkit("run", *chosen(bird_folder), "--dry-run", "--json").document
    assert (document["seconds"], document["new_bytes"]) == (0.0, 0)


def test_a_recipe_that_cannot_be_evaluated_is_refused(stackkit: Command, bird_folder: Path) -> None:
    outcome = stackkit("run", *chosen(bird_folder), "--dry-run", "--cv", "7")
    assert outcome.code == 8
    assert stackkit("extract", *chosen(bird_folder), "--dry-run").code == 0


def test_a_disk_that_is_too_small_is_shown_and_ends_the_run(
    stackkit: Command, bird_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackkit.extraction.extract.free_bytes", lambda folder: 100)
    dry = stackkit("extract", *chosen(bird_folder, "paced"), "--dry-run")
    assert dry.code == 0
    assert "216 bytes more on disk, 100 bytes free: NOT ENOUGH" in dry.out
    outcome = stackkit("extract", *chosen(bird_folder, "paced"))
    assert outcome.code == 6
    assert "choose another disk with --store" in outcome.error
    assert not (home / "features").exists()


def test_a_run_shows_preview_and_estimate(stackkit: Command, bird_folder: Path, tmp_path: Path) -> None:
    for command in ("run", "extract"):
        err = stackkit(command, *chosen(bird_folder, "paced"), "--store", tmp_path / command).err
        assert "estimate    paced: 18 images at 0.01/s: about 30:00" in err
        assert err.index("backbone    paced") < err.index("estimate    paced")


class TestTheMachine:
    def test_device_and_threads_reach_the_backbone_and_are_not_in_its_label(
        self, stackkit: Command, bird_folder: Path, home: Path
    ) -> None:
        backbones = chosen(bird_folder, f"paced,{HISTOGRAM}")
        outcome = stackkit("run", *backbones, "--device", "cpu", "--threads", "2", "--json")
        assert "shown 18 images, {'device': 'cpu', 'threads': 2}" in outcome.err
        assert [*outcome.document["extraction"]] == ["paced", HISTOGRAM]
        components = {one["label"]: one["options"] for one in outcome.document["components"]}
        assert components["paced"] == {"device": "cpu", "threads": 2}

    def test_another_device_recomputes_nothing(self, stackkit: Command, bird_folder: Path) -> None:
        stackkit("extract", *chosen(bird_folder, "paced"), "--device", "cpu")
        again = stackkit("extract", *chosen(bird_folder, "paced"), "--device", "gpu", "--json")
        assert again.document["computed"] == {"paced": 0}
        assert stackkit("evaluate", *chosen(bird_folder, "paced")).code == 0

    @pytest.mark.slow  # what it joins is tested: options reach a backbone, and engines record them
    def test_a_keras_network_uses_the_options_and_records_them(
        self, bird_folder: Path, home: Path, shared_data: Path
    ) -> None:
        """In a process of its own: one that has started TensorFlow cannot change its threads."""
        weights = shared_data / "weights" / "mobilenet_v1_0.25_224.h5"
        backbone = f"mobilenet:engine=tensorflow,alpha=0.25,size=64,weights={weights}"
        outcome = in_a_process(
            "extract", *chosen(bird_folder, backbone), "--device", "cpu", "--threads", "1", "--json"
        )
        assert outcome.code == 0, outcome.err
        assert [*outcome.document["computed"].values()] == [18]
        (path,) = home.glob("features/*/*.h5")
        with h5py.File(path) as file:
            (origin,) = json.loads(file.attrs["provenance"])
        runtime = origin["runtime"]
        assert (runtime["engine"], runtime["device"], runtime["threads"]) == ("tensorflow", "cpu", 1)

    @pytest.mark.parametrize("threads", ["0", "-1"])
    @pytest.mark.parametrize("command", ["run", "extract"])
    def test_invalid_thread_counts_are_refused(
        self, command: str, threads: str, stackkit: Command, bird_folder: Path
    ) -> None:
        outcome = stackkit(command, *chosen(bird_folder, "paced"), "--threads", threads)
        assert outcome.code == 2
        assert outcome.error == f"--threads must be at least 1, got {threads}"

    def test_evaluating_needs_no_device(self, stackkit: Command, bird_folder: Path) -> None:
        for option in (["--device", "cpu"], ["--threads", "2"], ["--dry-run"]):
            outcome = stackkit("evaluate", *chosen(bird_folder, "paced"), *option)
            assert outcome.code == 2
            assert "unknown option" in outcome.error
