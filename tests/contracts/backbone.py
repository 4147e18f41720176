"""What every backbone owes the host; each backbone's tests inherit this suite."""

import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stackkit.api import (
    Backbone,
    BackboneSpec,
    OptionValue,
    PreparableBackbone,
    StackkitError,
    UsageError,
)

FRAMEWORKS = {"tensorflow", "keras", "torch", "jax", "onnxruntime"}
HEAVY = FRAMEWORKS | {"numpy", "h5py", "PIL", "sklearn"}


def spec_of(plugin: ModuleType, name: str) -> BackboneSpec:
    """The one spec of that name."""
    (spec,) = [spec for spec in plugin.stackkit_backbones() if spec.name == name]
    return spec


def options_of(spec: BackboneSpec, **given: OptionValue) -> dict[str, OptionValue]:
    """Every declared option, as the host hands them over."""
    defaults = {option.name: option.default for option in spec.options}
    assert given.keys() <= defaults.keys()
    return {**defaults, **given}


def create(plugin: ModuleType, name: str, **given: OptionValue) -> Any:
    """The plugin's backbone as the host makes it."""
    spec = spec_of(plugin, name)
    return spec.load()(**options_of(spec, **given))


def images_of(size: int) -> np.ndarray:
    """Six (size, size, 3) uint8 images: noise, black, white, two gradients, noise again; read-only."""
    generator = np.random.default_rng(7)
    images = generator.integers(0, 256, (6, size, size, 3)).astype(np.uint8)
    images[1], images[2] = 0, 255
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    images[3], images[4] = ramp[:, None, None], ramp[None, :, None]
    images.flags.writeable = False
    return images


def assert_close(found: np.ndarray, wanted: np.ndarray, tolerance: float = 1e-4) -> None:
    """Equal up to `tolerance` of the features' standard deviation."""
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance * wanted.std()


class BackboneContract:
    """Inherit, name the plugin's module and its backbone, and give the options to make it with.

    `width` and `size` are the numbers of features and pixels that these options must give.
    """

    plugin: ModuleType
    name: str
    width: int
    size: int
    given: dict[str, OptionValue] = {}  # noqa: RUF012 - read only

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls) -> dict[str, OptionValue]:
        """The options every backbone of this suite is made with."""
        return cls.given

    @pytest.fixture(scope="class")
    @classmethod
    def backbone(cls, options) -> Backbone:
        return create(cls.plugin, cls.name, **options)

    @pytest.fixture(scope="class")
    @classmethod
    def images(cls, backbone) -> np.ndarray:
        return images_of(backbone.image_size)

    @pytest.fixture(scope="class")
    @classmethod
    def features(cls, backbone, images) -> np.ndarray:
        return backbone.extract(images)

    def test_listing_it_imports_nothing_heavy(self):
        assert spec_of(self.plugin, self.name).summary
        code = f"import sys, {self.plugin.__name__} as p; p.stackkit_backbones(); print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not HEAVY & set(done.stdout.split())

    def test_all_but_extracting_is_done_without_a_framework(self, options):
        """So a second run, whose features are all stored, never starts one."""
        spec = spec_of(self.plugin, self.name)
        code = (
            "import sys\nfrom stackkit.specs import load_text\n"
            f"options = {options_of(spec, **options)!r}\n"
            f"assert load_text({spec.lacking!r})(**options) is None\n"
            f"b = load_text({spec.factory!r})(**options)\n"
            "b.revision, b.image_size, b.feature_dim, b.trained\nprint(*sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not FRAMEWORKS & set(done.stdout.split())
        assert "numpy" not in done.stdout.split(), "list-plugins asks what is lacking"

    def test_size_and_width_are_what_they_should_be(self, backbone):
        assert (backbone.image_size, backbone.feature_dim) == (self.size, self.width)

    def test_features_have_the_declared_width_and_are_float32(self, backbone, features):
        assert features.shape == (6, backbone.feature_dim)
        assert features.dtype == np.float32

    def test_any_image_has_finite_features_and_no_two_have_the_same(self, features):
        assert np.isfinite(features).all()
        assert len(np.unique(features, axis=0)) == len(features)

    def test_the_images_are_left_as_they_are(self, backbone, images):
        writable = images.copy()
        backbone.extract(writable)
        assert np.array_equal(writable, images)

    def test_features_of_an_image_do_not_depend_on_its_neighbours(self, backbone, images, features):
        order = np.array([4, 0, 5, 2, 1, 3])
        assert_close(backbone.extract(images[order]), features[order])
        assert_close(backbone.extract(images[2:3]), features[2:3])

    def test_another_object_gives_the_same_features_whatever_its_batch_size(
        self, backbone, options, images, features
    ):
        other = create(self.plugin, self.name, **{**options, "batch_size": 4})
        assert_close(other.extract(images), features)
        assert np.array_equal(other.extract(images[:3]), backbone.extract(images[:3]))

    def test_what_it_settles_on_is_recorded_and_changes_no_feature(self, options, images, features):
        other = create(self.plugin, self.name, **options)
        if not isinstance(other, PreparableBackbone):
            pytest.skip("this backbone has nothing to settle")
        readiness = other.prepare(images, print)
        assert json.loads(json.dumps(readiness.settings)) == readiness.settings
        assert readiness.batch_size >= 1
        assert_close(other.extract(images), features)
        assert other.revision == create(self.plugin, self.name, **options).revision

    def test_no_images_have_no_features(self, backbone, images):
        assert backbone.extract(images[:0]).shape == (0, backbone.feature_dim)

    def test_images_of_another_shape_or_type_are_refused(self, backbone, images):
        for wrong in (images[0], images[:, :-1], images[..., :1], images.astype(np.float32)):
            with pytest.raises(StackkitError, match="uint8"):
                backbone.extract(wrong)

    def test_the_revision_tells_weights_size_and_pooling_but_not_the_batch_size(self, backbone, options):
        def revision(**changed: OptionValue) -> str:
            return create(self.plugin, self.name, **{**options, **changed}).revision

        revisions = {
            backbone.revision,
            revision(weights="random", seed=1),
            revision(weights="random", seed=2),
            revision(size=backbone.image_size + 1),
            revision(pooling="max"),
        }
        assert len(revisions) == 5
        assert revision(batch_size=7) == backbone.revision
        assert all("\n" not in text and text.isascii() for text in revisions)

    def test_only_random_weights_count_as_untrained(self, backbone, options):
        assert backbone.trained == (options.get("weights") != "random")
        assert not create(self.plugin, self.name, **{**options, "weights": "random"}).trained

    def test_numbers_that_cannot_work_are_refused(self, options):
        for wrong in ({"size": 1}, {"batch_size": -1}, {"seed": -1}):
            with pytest.raises(UsageError, match=str(*wrong.values())):
                create(self.plugin, self.name, **{**options, **wrong})
