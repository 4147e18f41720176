"""`stackkit extract` and `stackkit evaluate`: the two halves of `stackkit run`."""

from pathlib import Path

from support.commands import HISTOGRAM, Command, chosen, photographs

TWO = f"{HISTOGRAM},{HISTOGRAM}:bins=2"


def test_extract_and_evaluate_equal_run(stackkit: Command, bird_folder: Path, tmp_path: Path) -> None:
    whole = stackkit("run", *chosen(bird_folder, TWO), "--store", tmp_path, "--json").document
    assert stackkit("extract", *chosen(bird_folder, TWO)).code == 0
    half = stackkit("evaluate", *chosen(bird_folder, TWO), "--json").document
    changing = {"created", "timings", "costs", "extraction"}
    assert {key: half[key] for key in half.keys() - changing} == {
        key: whole[key] for key in whole.keys() - changing
    }


def test_shards_extracted_one_by_one_are_evaluated_as_run_would(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    task = chosen(bird_folder, TWO)
    whole = stackkit("run", *task, "--store", tmp_path, "--json").document
    for part in (3, 1):
        done = stackkit("extract", *task, "--shard", f"{part}/3", "--json").document
        assert done["computed"] == dict.fromkeys(done["computed"], 6)
    missing = stackkit("evaluate", *task)
    assert "shard 2/3 of the features is missing" in missing.err
    assert "stackkit extract --shard 2/3" in missing.err
    again = stackkit("extract", *task, "--shard", "2/3", "--dry-run", "--json").document
    assert [one["images"] for one in again["backbones"]] == [6, 6]
    assert stackkit("extract", *task, "--shard", "2/3").code == 0
    half = stackkit("run", *task, "--json").document
    assert half["results"] == whole["results"]
    assert stackkit("features", "verify").code == 0
    (first, _) = stackkit("features", "ls", "--json").document["files"]
    assert (first["images"], len(first["shards"]), first["state"]) == (18, 3, "complete")
    assert stackkit("features", "verify", "1", "--recompute", "3").code == 0
    assert "--shard must be I/N" in stackkit("extract", *task, "--shard", "4/3").err


def test_extract_reports_what_it_did(stackkit: Command, bird_folder: Path, home: Path) -> None:
    first, second = (stackkit("extract", *chosen(bird_folder)).out for _ in range(2))
    assert f"{HISTOGRAM}: 18 images computed, 0 were stored already" in first
    assert f"{HISTOGRAM}: 0 images computed, 18 were stored already" in second
    assert f"features: {home / 'features'}" in second


def test_extract_prints_json(stackkit: Command, bird_folder: Path) -> None:
    document = stackkit("extract", *chosen(bird_folder), "--json").document
    assert document == {
        "computed": {HISTOGRAM: 18},
        "reused": {HISTOGRAM: 0},
        "failed": [],
        "suspect": [],
        "notes": [],
    }


def test_extract_accepts_datasets_too_small_for_folds(stackkit: Command, tmp_path: Path) -> None:
    root = photographs(tmp_path, a=1, b=1)
    assert stackkit("extract", *chosen(root)).code == 0


def test_evaluate_without_features_names_the_command_to_run(
    stackkit: Command, bird_folder: Path, home: Path
) -> None:
    outcome = stackkit("evaluate", *chosen(bird_folder))
    assert outcome.code == 6
    assert "run `stackkit extract` first" in outcome.error
    assert not (home / "features").exists()


def test_evaluate_refuses_images_without_features(stackkit: Command, tmp_path: Path) -> None:
    root = photographs(tmp_path, a=3, b=3)
    stackkit("extract", *chosen(root))
    (root / "a" / "000.png").rename(root / "a" / "renamed.png")
    outcome = stackkit("evaluate", *chosen(root))
    assert outcome.code == 6
    assert "run `stackkit extract` first" in outcome.error
    assert stackkit("extract", *chosen(root), "--json").document["reused"] == {HISTOGRAM: 6}
    assert stackkit("evaluate", *chosen(root)).code == 0


def test_new_images_cost_only_themselves(stackkit: Command, tmp_path: Path) -> None:
    root = photographs(tmp_path / "few", a=3, b=3)
    stackkit("extract", *chosen(root))
    photographs(root, c=3)
    document = stackkit("run", *chosen(root), "--json").document
    assert document["n_images"] == 9
    extraction = document["extraction"][HISTOGRAM]
    assert (extraction["computed"], extraction["reused"]) == (3, 6)


def test_a_store_in_another_folder(
    stackkit: Command, bird_folder: Path, tmp_path: Path, home: Path
) -> None:
    stackkit("extract", *chosen(bird_folder), "--store", tmp_path / "store")
    assert list(tmp_path.glob("store/*/*.h5"))
    assert not (home / "features").exists()
    assert stackkit("evaluate", *chosen(bird_folder), "--store", tmp_path / "store").code == 0
