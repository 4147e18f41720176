"""What all built-in backbones have in common beyond the conformance checks."""

import subprocess
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support.making import create, images_of, options_of, spec_of

from stackkit.api import OptionValue, StackkitError, UsageError
from stackkit_plugins import efficientnet_lite, keras_applications

FRAMEWORKS = {"tensorflow", "keras", "torch", "jax", "onnxruntime"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A backbone, its options, and the expected image size and number of features."""

    plugin: ModuleType
    name: str
    size: int
    width: int
    given: dict[str, OptionValue] = field(default_factory=dict)

    def make(self, **changed: OptionValue) -> Any:
        return create(self.plugin, self.name, **{**self.given, **changed})


def untrained(name: str, size: int, width: int) -> Setting:
    given: dict[str, OptionValue] = {"weights": "random", "size": size}
    return Setting(plugin=keras_applications, name=name, size=size, width=width, given=given)


def lite(number: int, size: int) -> Setting:
    return Setting(plugin=efficientnet_lite, name=f"efficientnet-lite{number}", size=size, width=1280)


SETTINGS = [
    untrained("vgg19", 32, 512),
    untrained("resnet50", 32, 2048),
    pytest.param(untrained("inception-v3", 75, 2048), marks=pytest.mark.slow),
    untrained("xception", 71, 2048),
    lite(0, 224),
    pytest.param(lite(1, 240), marks=pytest.mark.slow),
    pytest.param(lite(2, 260), marks=pytest.mark.slow),
    "mobilenet from a file",
]


@pytest.fixture(params=SETTINGS, ids=lambda setting: getattr(setting, "name", setting))
def setting(request) -> Setting:
    if isinstance(request.param, Setting):
        return request.param
    given = {"weights": str(request.getfixturevalue("mobilenet_file")), "alpha": 0.25}
    return Setting(plugin=keras_applications, name="mobilenet", size=224, width=256, given=given)


def test_no_framework_is_imported_before_extraction(setting):
    """A second run with all features stored therefore never imports one."""
    spec = spec_of(setting.plugin, setting.name)
    code = (
        "import sys\nfrom stackkit.api.specs import load_text\n"
        f"options = {options_of(spec, **setting.given)!r}\n"
        f"assert load_text({spec.unavailable_reason!r})(**options) is None\n"
        f"b = load_text({spec.factory!r})(**options)\n"
        "b.revision, b.image_size, b.feature_dim, b.trained\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not FRAMEWORKS & set(done.stdout.split())
    assert "numpy" not in done.stdout.split(), "list-plugins asks for the unavailable_reason"


def test_features_have_the_networks_width_and_other_arrays_are_refused(setting):
    backbone = setting.make()
    assert (backbone.image_size, backbone.feature_dim) == (setting.size, setting.width)
    images = images_of(setting.size)
    features = backbone.extract(images)
    assert features.shape == (6, setting.width)
    assert len(np.unique(features, axis=0)) == 6, "all images must have different features"
    assert backbone.extract(images[:0]).shape == (0, setting.width)
    for wrong in (images[0], images[:, :-1], images[..., :1], images.astype(np.float32)):
        with pytest.raises(StackkitError, match="uint8"):
            backbone.extract(wrong)


def test_the_revision_depends_on_weights_size_and_pooling_but_not_batch_size(setting):
    revisions = {
        setting.make(**changed).revision
        for changed in (
            {},
            {"weights": "random", "seed": 1},
            {"weights": "random", "seed": 2},
            {"size": setting.size + 1},
            {"pooling": "max"},
        )
    }
    assert len(revisions) == 5
    assert setting.make(batch_size=7).revision in revisions


def test_only_random_weights_count_as_untrained(setting):
    assert setting.make().trained == (setting.given.get("weights") != "random")
    assert not setting.make(weights="random").trained


def test_invalid_numbers_are_refused(setting):
    for name, value in (("size", 1), ("batch_size", -1), ("seed", -1)):
        with pytest.raises(UsageError, match=str(value)):
            setting.make(**{name: value})
