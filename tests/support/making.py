"""Create built-in components as the host does, and data to test them on."""

from types import ModuleType
from typing import Any

import numpy as np

from stackkit.api import OptionValue
from stackkit.api.hookspecs import HOOKS
from stackkit.api.specs import ComponentSpec
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent


def spec_of(plugin: ModuleType, name: str = "") -> ComponentSpec:
    """Return the plugin's spec of that component, or of its only one."""
    offered = [spec for hook in HOOKS for spec in getattr(plugin, hook, list)()]
    (spec,) = [spec for spec in offered if name in ("", spec.name)]
    return spec


def options_of(spec: ComponentSpec, **given: OptionValue) -> dict[str, OptionValue]:
    """Return every declared option, parsed and passed as the host does."""
    declared = {option.name: option for option in spec.options}
    defaults = {name: option.default for name, option in declared.items()}
    return {**defaults, **{name: declared[name].parse(str(value)) for name, value in given.items()}}


def create(plugin: ModuleType, name: str = "", /, **given: OptionValue) -> Any:
    """Create a component as the host does."""
    spec = spec_of(plugin, name)
    return spec.load()(**options_of(spec, **given))


def probabilities(
    labels: np.ndarray, sharpness: float, seed: int = 0, n_learners: int = 3
) -> np.ndarray:
    """Return (n_learners, n, 5) probabilities; 0 is independent of the labels, 9 nearly certain."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(n_learners, len(labels), 5)) + sharpness * np.eye(5)[labels]
    exponentials = np.exp(scores)
    made: np.ndarray = exponentials / exponentials.sum(axis=2, keepdims=True)
    made.flags.writeable = False
    return made


def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Return read-only (120, 16) float32 features around three means, and labels 1, 4 and 7."""
    truth = np.random.default_rng(6).permutation(120) % 3
    random = np.random.default_rng(5)
    features = random.normal(size=(3, 16))[truth] + random.normal(size=(120, 16))
    features = features.astype(np.float32)
    features.flags.writeable = False
    return features, np.array([1, 4, 7])[truth]


def images_of(size: int) -> np.ndarray:
    """Return six read-only uint8 images: noise, black, white, two gradients, noise."""
    generator = np.random.default_rng(7)
    images = generator.integers(0, 256, (6, size, size, 3)).astype(np.uint8)
    images[1], images[2] = 0, 255
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    images[3], images[4] = ramp[:, None, None], ramp[None, :, None]
    images.flags.writeable = False
    return images


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    """Assert equality up to `tolerance` times the features' standard deviation."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * expected.std()


def configured(plugin: ModuleType, name: str = "", /, **given: OptionValue) -> ConfiguredComponent:
    """Return a built-in component with its options."""
    spec = spec_of(plugin, name)
    component = Component(spec=spec, plugin="own", distribution="stackkit", version="0")
    return ConfiguredComponent(component=component, options=options_of(spec, **given), name=spec.name)
