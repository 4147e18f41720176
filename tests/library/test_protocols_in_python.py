"""Both protocols and a hold-out in Python, and the models that they give."""

import shutil
from pathlib import Path

import stackkit

NETWORK = "mean-colours"


def test_a_model_of_both_protocols_is_that_of_all_images(folder: Path, tmp_path: Path) -> None:
    for path in sorted(folder.glob("*/*")):
        part = "train" if int(path.stem[-1]) % 3 else "test"
        target = tmp_path / part / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    found = stackkit.run(tmp_path, backbones=NETWORK, cv=2, split="both", save=tmp_path / "a.stackkit")
    assert found.model is not None
    assert found.official_split is not None
    assert found.official_split.official_split is None
    assert found.document()["official_split"] == found.official_split.document()
    assert "2-fold stratified" in str(found.model.expected_accuracy)
    assert found.model.info["provenance"]["images"] == 24
    assert "2-fold" in str(found)
    assert "Below, the official split" in str(found)


def test_a_model_of_a_hold_out_is_fitted_and_calibrated_on_all_images(folder: Path) -> None:
    chosen = {"backbones": NETWORK, "aggregator": "soft-vote"}
    report, held = stackkit.train(folder, **chosen, holdout=0.2, repeats=2)
    alone = stackkit.run(folder, **chosen, holdout=0.2, repeats=2)
    assert report.document()["results"] == alone.document()["results"], "a model knows the test images"
    folds = stackkit.train(folder, **chosen, cv=2).model
    image = next(folder.glob("*/*"))
    assert held.predict([image]).labels == folds.predict([image]).labels == [image.parent.name]
    assert held.info["provenance"]["images"] == 24
    assert "held out" in str(held.expected_accuracy)
