"""Checks of a backbone: an image's features depend on the image and on the revision only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api.backbone import PreparableBackbone
from stackkit.api.images import read_image, squash
from stackkit.api.option import OptionValue
from stackkit.api.specs import BackboneSpec
from stackkit.host.option_syntax import unparse
from stackkit.testing.check import CheckList, attempt, require, skip
from stackkit.testing.end_to_end import runs_after
from stackkit.testing.under_test import ComponentUnderTest, ask_process

Options: TypeAlias = Mapping[str, OptionValue]

TOLERANCE = 1e-4
"""Allowed difference of features in standard deviations: batches of other sizes round differently."""


@dataclass(frozen=True, kw_only=True)
class BackboneUnderTest(ComponentUnderTest):
    """A backbone, and at least six images of its size."""

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(n, size, size, 3): noise, black, white, two ramps, noise, then the author's images."""
        size = self.made.image_size
        pixels = np.random.default_rng(7).integers(0, 256, (6, size, size, 3)).astype(np.uint8)
        pixels[1], pixels[2] = 0, 255
        ramp = np.linspace(0, 255, size).astype(np.uint8)
        pixels[3], pixels[4] = ramp[:, None, None], ramp[None, :, None]
        own = [squash(read_image(path), size) for path in self.images]
        return np.concatenate([pixels, np.stack(own)]) if own else pixels

    def extract(self, pixels: NDArray[np.uint8], backbone: Any = None) -> NDArray[np.float32]:
        """Return the features of the first object, or of `backbone`."""
        images = pixels.copy()
        images.flags.writeable = False  # as in a run, where backbones of one size share the images
        features: NDArray[np.float32] = (backbone or self.made).extract(images)
        # A framework may share the memory of the array and ignore its flag.
        remedy = "work on a copy, such as images.astype(np.float32)"
        require(np.array_equal(images, pixels), "extract writes into the images it is given", remedy)
        return features

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Features of all images by the first object."""
        return self.extract(self.pixels)

    @cached_property
    def elsewhere(self) -> tuple[str, NDArray[np.float32]]:
        """The revision, and the features of all images, in a new process."""
        revision, features = ask_process(self.target, self.request("features", images=self.pixels))
        return revision, features


def difference(found: NDArray[Any], expected: NDArray[Any]) -> str | None:
    """Describe how features differ by more than the tolerance; None if they do not."""
    if found.shape != expected.shape:
        return f"shapes {found.shape} and {expected.shape}"
    finite = np.isfinite(expected)  # NaN equals nothing; the check finite-features reports it
    if not np.array_equal(np.isfinite(found), finite):
        return "other features are finite"
    found, expected = found[finite].astype(np.float64), expected[finite].astype(np.float64)
    scale = float(expected.std()) if expected.size else 0.0
    gap = float(np.abs(found - expected).max(initial=0)) / (scale or 1.0)
    return None if gap <= TOLERANCE else f"{gap:.2g} standard deviations, {TOLERANCE:g} allowed"


CHECKS = CheckList(after=("repeatability",))


@CHECKS.add(
    "feature-width",
    "declare the width that the network really has, and end with .astype(np.float32)",
    after=(),
)
def feature_width(component: BackboneUnderTest) -> None:
    """`extract` takes read-only images and returns float32 of shape (images, `feature_dim`); `trained`
    is True or False.
    """
    trained = component.made.trained
    require(isinstance(trained, bool), f"trained must be True or False, got {trained!r}")
    features = attempt("extract", lambda: component.features)
    came = type(features).__name__
    remedy = "return a NumPy array with a row for each image"
    require(isinstance(features, np.ndarray), f"extract returns {came}, not an array", remedy)
    expected = (len(component.pixels), component.made.feature_dim)
    require(features.shape == expected, f"expected features of shape {expected}, got {features.shape}")
    require(features.dtype == np.float32, f"expected float32, got {features.dtype}")


@CHECKS.add(
    "row-independence",
    "put the network into inference mode (training=False, model.eval()): batch normalisation must use "
    "its stored statistics; normalise by constants; let nothing depend on len(images)",
)
def row_independence(component: BackboneUnderTest) -> None:
    """An image's features do not depend on the other images of its batch, its place, or their number."""
    pixels, features = component.pixels, component.features
    others = np.concatenate([pixels[:1], 255 - pixels[1:][::-1] // 2])
    gap = difference(component.extract(others)[:1], features[:1])
    require(gap is None, f"with other images in its batch an image has other features: {gap}")
    gap = difference(component.extract(pixels[::-1])[::-1], features)
    require(gap is None, f"in another place of its batch an image has other features: {gap}")
    # Copies of one image: only their number changes, so that padding or len(images) is found.
    alone = component.extract(pixels[:1])
    for count in (3, 40):
        gap = difference(component.extract(np.repeat(pixels[:1], count, axis=0))[:1], alone)
        require(gap is None, f"in a batch of {count} an image has other features than alone: {gap}")


@CHECKS.add(
    "repeatability",
    "switch dropout and augmentation off, draw random weights from the seed, and use nothing that "
    "differs between processes: hash() of text, id(), time, global random state",
    after=("feature-width",),
)
def repeatability(component: BackboneUnderTest) -> None:
    """The same images have the same features again, from the same object, another one, and in another
    process.
    """
    pixels, features = component.pixels, component.features
    gap = difference(component.extract(pixels), features)
    require(gap is None, f"the same object returns other features when it is called again: {gap}")
    gap = difference(component.extract(pixels, component.create()), features)
    require(gap is None, f"another object returns other features: {gap}")
    gap = difference(component.elsewhere[1], features)
    require(gap is None, f"another process returns other features: {gap}")


@CHECKS.add(
    "stable-revision",
    "derive it from the weights' bytes, the options and a version number of your own",
    after=("feature-width",),
)
def stable_revision(component: BackboneUnderTest) -> None:
    """`revision` is one line of ASCII, the same for every object and in every process."""
    revision = component.made.revision
    fine = isinstance(revision, str) and revision and revision.isascii() and revision.isprintable()
    require(fine, f"revision must be one line of ASCII, got {revision!r}")
    another = component.create().revision
    require(another == revision, f"another object's revision is {another!r}, not {revision!r}")
    elsewhere = component.elsewhere[0]
    require(elsewhere == revision, f"in another process the revision is {elsewhere!r}, not {revision!r}")


@CHECKS.add(
    "telling-revision",
    "build the revision from a digest of the weights, or the seed of random ones, and from the "
    "options that features depend on",
    after=("repeatability", "stable-revision"),
)
def telling_revision(component: BackboneUnderTest) -> None:
    """`revision` changes with the weights, and with every other option that changes the features."""
    compared = [_compared(component, *pair) for pair in _pairs(component)]
    if not any(compared):
        skip("no `seed`, boolean or `choices` option with another value that can be used here")


def _pairs(component: BackboneUnderTest) -> Iterator[tuple[Options, Options]]:
    """Yield the options of two objects, which differ in one option; {} is the first object."""
    if component.declares("seed"):
        random: Options = {"weights": "random"} if component.declares("weights") else {}
        yield {**random, "seed": 1}, {**random, "seed": 2}
    for option in component.component.spec.options:
        if option.name == "device":  # another device may round differently
            continue
        for value in (False, True) if option.value_type is bool else option.choices:
            if value != component.configured().options[option.name]:
                yield {}, {option.name: value}


def _compared(component: BackboneUnderTest, one: Options, other: Options) -> bool:
    """Return whether both objects could be made; fail if one revision has two sets of features."""
    try:
        made = [component.create(**options) if options else component.made for options in (one, other)]
        if len({(each.revision, each.image_size, each.feature_dim) for each in made}) == 2:
            return True
        gap = difference(*(component.extract(component.pixels, each) for each in made))
    except Exception:  # such as an engine that is not installed, or two options that exclude each other
        return False
    names = " and ".join(unparse(component.name, options) for options in (one, other))
    require(gap is None, f"{names} have other features ({gap}), but both are {made[0].revision!r}")
    return True


@CHECKS.add(
    "portable-weights",
    "read the weights from weights_file where it is given, and let the revision depend on the content "
    "of the file, not on its path",
    after=("stable-revision",),
)
def portable_weights(component: BackboneUnderTest) -> None:
    """With `weights_file=True` in the spec, the weights can be read from a copy of their file, with the
    same revision.
    """
    spec = component.component.spec
    if not (isinstance(spec, BackboneSpec) and spec.weights_file):
        return  # nothing is promised
    file = component.made.weights_file
    if file is None:
        require(not component.made.trained, "weights_file is None, but trained is True")
        return  # random weights have no file
    require(isinstance(file, Path) and file.is_file(), f"weights_file is no path of a file: {file!r}")
    with TemporaryDirectory(prefix="stackkit-check-") as folder:
        copy = Path(shutil.copy(file, folder))
        other = replace(component.configured(), weights_file=copy).create()
        require(
            other.weights_file == copy, f"weights_file is {other.weights_file}, not that of the copy"
        )
        revision = other.revision
    same = revision == component.made.revision
    require(
        same, f"with a copy of the file the revision is {revision!r}, not {component.made.revision!r}"
    )


@CHECKS.add(
    "finite-features",
    "guard divisions and logarithms against images of one colour",
    after=("feature-width",),
)
def finite_features(component: BackboneUnderTest) -> None:
    """Noise, black and white images and ramps have finite features."""
    names = ("noise", "black", "white", "a ramp", "a ramp", "noise")
    finite = np.array([np.isfinite(row).all() for row in component.features])
    wrong = sorted({name for name, fine in zip(names, finite.tolist(), strict=False) if not fine})
    remedy = "" if finite.any() else "look for NaN in the weights and for divisions by 0"
    where = ", ".join(wrong) or "one of your images"
    require(finite.all(), f"features are not finite for {where}", remedy)


@CHECKS.add(
    "readiness",
    "let prepare choose among ways that give the same features; options choose among the others",
)
def readiness(component: BackboneUnderTest) -> None:
    """`prepare` returns settings that JSON can hold, and changes neither revision nor features."""
    revision, other = component.made.revision, component.create()
    if not isinstance(other, PreparableBackbone):
        skip("it has no prepare()")
    ready = other.prepare(component.pixels[:6].copy(), lambda line: None)
    settings = dict(ready.settings)
    require(json.loads(json.dumps(settings)) == settings, f"settings {settings} do not survive JSON")
    require(ready.batch_size >= 1, f"batch_size must be at least 1, got {ready.batch_size}")
    require(other.revision == revision, f"prepare changes revision {revision!r} to {other.revision!r}")
    gap = difference(component.extract(component.pixels, other), component.features)
    require(gap is None, f"prepare changes the features: {gap}")


CHECKS.append(runs_after(CHECKS, "telling-revision"))
