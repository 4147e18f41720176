"""What `timm` promises beside what every backbone does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stackkit.api import UsageError, WeightsError
from stackkit_timm.backbone import Timm

torch = pytest.importorskip("torch", reason="torch is absent")
timm = pytest.importorskip("timm", reason="timm is absent")

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)


def backbone(**given: Any) -> Timm:
    options = {"name": "resnet18", "weights": "random", "device": "cpu", "batch_size": 2, "seed": 0}
    return Timm(**{**options, **given})


def test_features_are_those_of_timms_own_way_from_pixels() -> None:
    made = backbone()
    network = made._network.module
    transform = timm.data.create_transform(
        **{**timm.data.resolve_model_data_config(network), "crop_pct": 1.0}, is_training=False
    )
    with torch.inference_mode():
        wanted = network(torch.stack([transform(Image.fromarray(image)) for image in IMAGES])).numpy()
    found = made.extract(IMAGES)
    assert found.shape == (3, 512)
    assert np.abs(found - wanted).max() <= 1e-4 * wanted.std()


def test_another_seed_and_another_network_are_other_revisions_and_no_training_goes_on() -> None:
    made = [backbone(), backbone(seed=1), backbone(name="resnet34")]
    assert len({each.revision for each in made}) == 3
    assert not made[0].trained
    before = made[0].revision
    made[0].extract(IMAGES)
    assert made[0].revision == before  # no running statistics were updated
    assert not made[0]._network.module.training


def test_the_callers_random_numbers_go_on_as_they_were() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    _ = backbone().image_size
    assert torch.rand(1) == wanted


def test_a_checkpoint_with_its_classifier_gives_its_network(tmp_path: Path) -> None:
    file = tmp_path / "resnet18.pth"
    torch.save(timm.create_model("resnet18").state_dict(), file)
    loaded = backbone(weights=str(file))
    assert loaded.trained
    assert loaded.feature_dim == 512
    with pytest.raises(WeightsError, match="does not fit resnet50"):
        _ = backbone(name="resnet50", weights=str(file)).revision
    with pytest.raises(WeightsError, match="there is no such file"):
        _ = backbone(weights=str(tmp_path / "none.pth")).revision


def test_what_timm_does_not_have_is_named_with_what_is_like_it() -> None:
    with pytest.raises(UsageError, match=r"timm has no network resnet81; see .*resnet"):
        _ = backbone(name="resnet81").image_size


def test_pretrained_weights_that_cannot_be_had_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*names: object, **options: object) -> None:
        raise OSError("no route\nto the hub")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        WeightsError, match=r"cannot be had \(no route to the hub\); give weights=random"
    ):
        _ = backbone(weights="pretrained").image_size
