"""Test what `timm` does beyond the requirements for every backbone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stackkit.api import UsageError, WeightsError
from stackkit_timm.backbone import Timm

torch = pytest.importorskip("torch", reason="torch is not installed")
timm = pytest.importorskip("timm", reason="timm is not installed")

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)


def backbone(**given: Any) -> Timm:
    options = {"name": "resnet18", "weights": "random", "device": "cpu", "batch_size": 2, "seed": 0}
    return Timm(**{**options, **given})


def test_features_equal_those_of_timms_own_preprocessing() -> None:
    made = backbone()
    network = made._network.module
    transform = timm.data.create_transform(
        **{**timm.data.resolve_model_data_config(network), "crop_pct": 1.0}, is_training=False
    )
    with torch.inference_mode():
        expected = network(torch.stack([transform(Image.fromarray(image)) for image in IMAGES])).numpy()
    found = made.extract(IMAGES)
    assert found.shape == (3, 512)
    assert np.abs(found - expected).max() <= 1e-4 * expected.std()


def test_seed_and_network_change_the_revision_and_extraction_does_not() -> None:
    made = [backbone(), backbone(seed=1), backbone(name="resnet34")]
    assert len({each.revision for each in made}) == 3
    assert not made[0].trained
    before = made[0].revision
    made[0].extract(IMAGES)
    assert made[0].revision == before  # no running statistics were updated
    assert not made[0]._network.module.training


def test_the_callers_random_state_is_unchanged() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    _ = backbone().image_size
    assert torch.rand(1) == expected


def test_a_checkpoint_is_loaded_without_its_classifier(tmp_path: Path) -> None:
    file = tmp_path / "resnet18.pth"
    torch.save(timm.create_model("resnet18").state_dict(), file)
    loaded = backbone(weights=str(file))
    assert loaded.trained
    assert loaded.feature_dim == 512
    with pytest.raises(WeightsError, match="does not fit resnet50"):
        _ = backbone(name="resnet50", weights=str(file)).revision
    with pytest.raises(WeightsError, match="file not found"):
        _ = backbone(weights=str(tmp_path / "none.pth")).revision


def test_an_unknown_name_is_an_error_with_similar_names() -> None:
    with pytest.raises(UsageError, match=r"timm has no network 'resnet81'; similar names: .*resnet"):
        _ = backbone(name="resnet81").image_size


def test_a_failed_download_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*names: object, **options: object) -> None:
        raise OSError("no route\nto the hub")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        WeightsError, match=r"cannot load .*\(no route to the hub\); pass weights=random"
    ):
        _ = backbone(weights="pretrained").image_size
